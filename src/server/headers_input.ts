/**
 * What headers can be given as: an object, pairs, or `Headers`. It is what the platform's own `Headers` takes, whatever
 * its types are called there.
 */
export type HeadersInput = NonNullable<ConstructorParameters<typeof Headers>[0]>;
