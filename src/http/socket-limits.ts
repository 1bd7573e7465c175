/**
 * How long a client may take, in milliseconds. Behind a proxy none is slow; without one, a client that dribbles a request
 * byte by byte or opens connections and says nothing is cut off soon.
 */
export const SOCKET_LIMITS = {
  http: {
    /** From the connection, or from a request's first byte, to the end of its headers. */
    headersTimeout: 10_000,
    /** How often the two limits are looked at. */
    connectionsCheckingInterval: 2_000,
  },
  /** From a request's first byte to the end of its body. */
  requestTimeout: 15_000,
  /** Nothing goes over the connection in either direction, as when the client does not read our answer. */
  connectionTimeout: 30_000,
  /** Between requests: longer than the 60 s of a proxy before us, so that it never meets a connection being closed. */
  keepAliveTimeout: 65_000,
};
