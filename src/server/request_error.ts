/** A request that asks for what cannot be: the client's fault, so the handler answers with its status and tells nobody. */
export class RequestError extends TypeError {
  /** The status of the answer. */
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}
