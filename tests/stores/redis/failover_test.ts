import { failoverSuite } from "../../suites/failover_suite.ts";
import { redisServer } from "../../support/engines.ts";

failoverSuite("RedisReplayStore", redisServer);
