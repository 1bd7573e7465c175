import { Injectable } from '@nestjs/common';

/** One call to the channel, as metrics count it. */
export interface ChannelCall {
  operation: string;
  outcome: string;
  milliseconds: number;
  /** Our clock minus the channel's, where its answer said what time it was. */
  clockSkewMs: number | null;
}

/** Hands every call to the channel on to the metrics. */
@Injectable()
export class ChannelObserver {
  private listener: ((call: ChannelCall) => void) | null = null;

  listen(listener: (call: ChannelCall) => void): void {
    this.listener = listener;
  }

  note(call: ChannelCall): void {
    this.listener?.(call);
  }
}
