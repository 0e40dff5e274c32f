import { failoverSuite } from "../../suites/failover_suite.ts";
import { postgresServer } from "../../support/engines.ts";

failoverSuite("PostgresReplayStore", postgresServer);
