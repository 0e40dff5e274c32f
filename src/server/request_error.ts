/** A request that is not valid. It is the client's fault, so the handler answers with this status and calls no `onError`. */
export class RequestError extends TypeError {
  /** The status of the answer. */
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}
