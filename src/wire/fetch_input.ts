// What the platform's own constructors take. Node's types have no names for it, and the DOM's names are not to be had there.

/** What headers can be given as: an object, pairs, or `Headers`. */
export type HeadersInput = NonNullable<ConstructorParameters<typeof Headers>[0]>;

/** What a body can be given as: text, bytes, a form, a stream. */
export type BodyInput = NonNullable<ConstructorParameters<typeof Response>[0]>;
