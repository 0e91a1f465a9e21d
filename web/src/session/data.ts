import type { types } from 'mediasoup-client';
import { RequestError, type ServerRequest } from './connection';
import type { MediaSession } from './media';
import { Timers } from './timers';

/**
 * Data channels of a room (room-api.md §6): "chat" is plain text, as other applications of this API
 * have it; "bot" goes to the room's bot; "presence" is ours, one JSON object per message.
 */
export type Label = 'chat' | 'bot' | 'presence';

export type Presence = { hand: boolean } | { reaction: string };

export interface DataEvents {
  chat(peerId: string, text: string): void;
  /** The bot has spoken; it is heard by everybody. */
  bot(text: string): void;
  presence(peerId: string, presence: Presence): void;
  /** The server takes nothing of this kind from us. */
  refused(label: Label): void;
}

const options: Record<Label, Partial<types.DataProducerOptions>> = {
  chat: { ordered: true },
  bot: { ordered: false, maxPacketLifeTime: 2000 },
  presence: { ordered: true },
};

/**
 * The others' channels are made after the answer to ours, and a newcomer's after word of them: what is
 * said before they are there is lost. So it waits until the server has said of each that it can hear us
 * (room-api.md §6), and no longer than this for those who take no data, and servers that do not say it.
 */
const settleTime = 1500; // ms
const newcomerTime = 1000; // ms
/** However many come, one message waits no longer than this for them. */
const mostHeld = 2500; // ms
const maxQueued = 50;
export const maxChatBytes = 16_000;

interface Message {
  text: string;
  since: number;
  lost(): void;
}

interface Channel {
  producer: types.DataProducer | undefined;
  /** Open; and so long that all who can hear it do. */
  open: boolean;
  settled: boolean;
  /** Who hears it, by the server's word. */
  heardBy: Set<string>;
  queue: Message[];
}

export class DataChannels {
  #media: MediaSession | undefined;
  #channels = new Map<Label, Channel>();
  #consumers = new Map<string, types.DataConsumer>();
  #timers = new Timers();
  /** When the channels of who came last are there at the latest, in ms of performance.now(). */
  #newcomersAt = 0;

  /** `others`: the ids of those who are in the room. */
  constructor(
    private readonly events: DataEvents,
    private readonly others: () => string[],
  ) {}

  attach(media: MediaSession): void {
    this.#media = media;
  }

  detach(): void {
    this.#media = undefined;
    this.#timers.end();
    this.#timers = new Timers();
    const channels = [...this.#channels.values()];
    this.#channels.clear();
    this.#consumers.clear();
    for (const channel of channels) lose(channel);
  }

  /** After the connection was resumed: `known` is what of ours the server has still. */
  reattach(known: { id: string }[] | undefined): void {
    if (!known) return;
    for (const id of this.producerIds) if (!known.some((each) => each.id === id)) this.#drop(id);
  }

  get consumerIds(): string[] {
    return [...this.#consumers.keys()];
  }

  get producerIds(): string[] {
    return [...this.#channels.values()].flatMap(({ producer }) => producer?.id ?? []);
  }

  onConsumerClosed(id: string): void {
    this.#consumers.get(id)?.close();
    this.#consumers.delete(id);
  }

  /** The rules of the room have changed, and do not allow it any more. */
  onProducerClosed(id: string): void {
    const label = this.#drop(id);
    if (label) this.events.refused(label);
  }

  /** The server says that somebody hears a channel of ours. */
  onConsumed(producerId: string, peerId: string): void {
    for (const [label, channel] of this.#channels) {
      if (channel.producer?.id !== producerId) continue;
      channel.heardBy.add(peerId);
      this.#flush(label, channel);
    }
  }

  /** Whoever comes with this id hears nothing yet. */
  onLeft(peerId: string): void {
    for (const { heardBy } of this.#channels.values()) heardBy.delete(peerId);
  }

  /** Somebody has come, whose channel to our chat is not there yet. */
  onNewcomer(): void {
    this.#newcomersAt = performance.now() + newcomerTime;
  }

  /** Makes the channel before it is needed: who opens the chat is about to write. */
  prepare(label: Label): void {
    this.#channel(label);
  }

  /** false: nothing can be sent now. `lost` is called when it could not be sent after all. */
  send(label: Label, text: string, lost: () => void = () => undefined): boolean {
    const channel = this.#channel(label);
    if (!channel || channel.queue.length >= maxQueued) return false;
    channel.queue.push({ text, since: performance.now(), lost });
    this.#flush(label, channel);
    return true;
  }

  async onNewDataConsumer(request: ServerRequest): Promise<void> {
    const { peerId, dataProducerId, id, sctpStreamParameters, label, protocol, appData } = request.data;
    const receive = this.#media?.receive;
    if (!receive) {
      request.reject(500, 'no receiving transport');
      return;
    }
    try {
      const consumer = await receive.consumeData({
        id,
        dataProducerId,
        sctpStreamParameters,
        label,
        protocol,
        appData: { ...appData, peerId },
      });
      this.#consumers.set(id, consumer);
      consumer.on('message', (message: unknown) => this.#onMessage(peerId ?? '', label, message));
      request.accept();
    } catch (error) {
      request.reject(500, String(error));
    }
  }

  #onMessage(peerId: string, label: string, message: unknown): void {
    if (typeof message !== 'string') return;
    if (label === 'chat') {
      this.events.chat(peerId, message.slice(0, maxChatBytes));
    } else if (label === 'bot' && peerId === '') {
      this.events.bot(message.slice(0, maxChatBytes));
    } else if (label === 'presence') {
      const presence = parsePresence(message);
      if (presence) this.events.presence(peerId, presence);
    }
  }

  #channel(label: Label): Channel | undefined {
    const media = this.#media;
    if (!media || media.closed || !media.takesData) return undefined;
    const known = this.#channels.get(label);
    if (known) return known;
    const channel: Channel = { producer: undefined, open: false, settled: false, heardBy: new Set(), queue: [] };
    this.#channels.set(label, channel);
    void this.#produce(media, label, channel);
    return channel;
  }

  async #produce(media: MediaSession, label: Label, channel: Channel): Promise<void> {
    const gone = () => {
      if (this.#channels.get(label) === channel) this.#channels.delete(label);
      lose(channel);
    };
    try {
      const transport = await media.send;
      const producer = await transport.produceData({ label, protocol: '', ...options[label] });
      if (this.#channels.get(label) !== channel) {
        producer.close();
        return;
      }
      channel.producer = producer;
      const ready = () => {
        channel.open = true;
        this.#timers.later(settleTime, () => {
          channel.settled = true;
          this.#flush(label, channel);
        });
        this.#flush(label, channel);
      };
      if (producer.readyState === 'open') ready();
      else producer.on('open', ready);
      producer.on('close', gone);
      producer.on('transportclose', gone);
    } catch (error) {
      gone();
      if (error instanceof RequestError) this.events.refused(label);
    }
  }

  /** Sends what waits, once it is heard by all. */
  #flush(label: Label, channel: Channel): void {
    const first = channel.queue[0];
    if (!first || !channel.open || channel.producer?.readyState !== 'open') return;
    const heardByAll = label !== 'bot' && this.others().every((id) => channel.heardBy.has(id));
    if (!channel.settled && !heardByAll) return;
    // Hands are told again, and reactions are over: only what is written waits for newcomers.
    const waits = label !== 'presence' && !heardByAll;
    const wait = waits ? Math.min(this.#newcomersAt, first.since + mostHeld) - performance.now() : 0;
    if (wait > 0) {
      this.#timers.later(wait, () => this.#flush(label, channel), channel);
      return;
    }
    for (const message of channel.queue.splice(0)) {
      try {
        channel.producer.send(message.text);
      } catch {
        message.lost(); // too large for the other side, or the browser's buffer is full
      }
    }
  }

  /** Ends our channel; which one it was. */
  #drop(producerId: string): Label | undefined {
    for (const [label, channel] of this.#channels) {
      if (channel.producer?.id !== producerId) continue;
      this.#channels.delete(label);
      channel.producer.close();
      lose(channel);
      return label;
    }
    return undefined;
  }
}

/** What waits in a channel that is no more. */
function lose(channel: Channel): void {
  for (const { lost } of channel.queue.splice(0)) lost();
}

export const reactions = ['👍', '👏', '❤️', '😂', '😮', '🎉'];

/** null: not one of ours, or not well formed. */
export function parsePresence(text: string): Presence | null {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return null;
  }
  if (typeof value !== 'object' || value === null) return null;
  if ('hand' in value && typeof value.hand === 'boolean') return { hand: value.hand };
  if ('reaction' in value && typeof value.reaction === 'string' && reactions.includes(value.reaction)) {
    return { reaction: value.reaction };
  }
  return null;
}
