// What carries calls to one peer, as bytes. There are two: grpc-js, which every gRPC server understands, and one over
// node:http2 that is small enough to have ten thousand of.

/** What goes along with a call. */
export interface WireCall {
  metadata: Record<string, string>;
  /** Milliseconds since the epoch. */
  deadline?: number;
  signal?: AbortSignal;
}

/** `broken`: it was lost, or never made; `draining`: the peer takes no more calls on it. */
export type ChannelState = "idle" | "connecting" | "ready" | "draining" | "broken" | "closed";

export interface Channel {
  /** Connects on first use. @throws WireFailed */
  unary(path: string, request: Uint8Array, call: WireCall): Promise<Uint8Array>;
  /** Leaving the loop, or the signal, cancels it. @throws WireFailed */
  stream(path: string, request: Uint8Array, call: WireCall): AsyncIterable<Uint8Array>;
  readonly state: ChannelState;
  /** Told when a connection cannot be made, is lost, or takes no more calls. */
  onBroken(tell: () => void): void;
  /** Calls under way go on; the connection ends with the last. */
  close(): void;
}

export interface ChannelOptions {
  /** The largest message that is read, bytes. */
  mostAnswerBytes: number;
  /** How it is found out that nobody is there any more. */
  pings: Pings;
}

export interface Pings {
  everyMs: number;
  withinMs: number;
  /** Also while no call is under way. */
  idle: boolean;
}

export interface WireFailure {
  /** Nothing was sent, or the peer said that it did not look at it: it may be sent again. */
  unsent?: boolean;
  /** The answer was larger than is read. */
  tooLarge?: boolean;
  /** A google.rpc.Status, where the peer said more. */
  details?: Uint8Array;
  cause?: unknown;
}

/** The wire failed, or the peer without saying why: no `Failed` crossed. `code` is a gRPC status code. */
export class WireFailed extends Error {
  override readonly name = "WireFailed";
  readonly unsent: boolean;
  readonly tooLarge: boolean;
  readonly details?: Uint8Array;

  constructor(
    readonly code: number,
    message: string,
    { unsent = false, tooLarge = false, details, cause }: WireFailure = {},
  ) {
    super(message, cause === undefined ? undefined : { cause });
    this.unsent = unsent;
    this.tooLarge = tooLarge;
    this.details = details;
  }
}

/** Where a status has more to say, as google.rpc.Status. */
export const detailsKey = "grpc-status-details-bin";
