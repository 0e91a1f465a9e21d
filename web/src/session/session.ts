import { batch } from '@preact/signals';
import type { PeerInfo, RoomState } from '../state/room';
import { socketUrl, type Settings } from '../state/settings';
import { Connection } from './connection';
import { DataChannels } from './data';
import type { Devices } from './devices';
import type { Ending } from './ending';
import { Joining } from './joining';
import { Moderation } from './moderation';
import { Monitor } from './monitor';
import { OtherTab } from './other-tab';
import { OutageWatch } from './outage';
import { OwnLink } from './own-link';
import { OwnMedia, type StartMedia } from './own-media';
import { OwnVoice } from './own-voice';
import { Publisher } from './publish';
import { RemoteMedia } from './remote-media';
import { Subscriber, type Subscription } from './subscribe';
import { Talk } from './talk';
import { Timers } from './timers';
import { Visibility } from './visibility';

const addressNow = () => window.location.href;

/** One person in one room, from the first connection to the end. Writes what is to be seen into RoomState. */
export class RoomSession {
  readonly connection: Connection;
  readonly publisher: Publisher;
  readonly subscriber: Subscriber;
  readonly data: DataChannels;
  readonly moderation: Moderation;
  readonly own: OwnMedia;
  readonly talk: Talk;

  #timers = new Timers();
  #tab: OtherTab;
  #outage: OutageWatch;
  #monitor: Monitor;
  #joining: Joining;
  #remote: RemoteMedia;
  #visibility: Visibility;
  #ended = false;
  #movedTo: { roomId: string; token: string } | undefined;

  constructor(
    readonly settings: Settings,
    readonly state: RoomState,
    devices: Devices,
    private readonly onEnded: (ending: Ending) => void,
  ) {
    const timers = this.#timers;
    this.#tab = new OtherTab(settings.roomId, settings.peerId, () => this.end({ kind: 'replaced', detail: 'another tab joined as this person' }));
    this.connection = this.#connect();
    this.moderation = new Moderation(addressNow(), settings.roomId, settings.token);
    this.publisher = new Publisher(this.connection, settings, {
      refused: (what, why, detail) => this.own.onRefused(what, why, detail),
    });
    const voice = new OwnVoice(state, devices, timers, () => void this.own.setMic(true));
    this.own = new OwnMedia(state, settings, devices, this.publisher, voice, timers);
    this.subscriber = new Subscriber(
      this.connection,
      {
        added: (subscription) => this.#remote.onAdded(subscription),
        removed: (subscription) => {
          this.#remote.onRemoved(subscription);
          this.#onSomebodyStopped();
        },
        changed: (subscription) => this.#remote.onChanged(subscription),
      },
      settings.buffer,
    );
    this.#visibility = new Visibility(state, this.subscriber, timers);
    this.#remote = new RemoteMedia(state, this.subscriber, () => this.setAudioOnly(true));
    this.data = new DataChannels(
      {
        chat: (peerId, text) => this.talk.onChat(peerId, text),
        bot: (text) => this.talk.onBot(text),
        presence: (peerId, presence) => this.talk.onPresence(peerId, presence),
        refused: (label) => this.talk.onRefused(label),
      },
      () => state.people.value.map(({ id }) => id),
    );
    this.talk = new Talk(state, this.data, timers);
    const link = new OwnLink(state);
    const outage = (this.#outage = new OutageWatch(state, this.connection, timers));
    this.#monitor = new Monitor(this.connection, this.publisher, this.subscriber, {
      silent: (silent) => outage.onSilent(silent),
      silences: (byConsumer) => this.#remote.onSilences(byConsumer),
      received: (subscription, stats) => this.#remote.onReceived(subscription, stats),
      sent: (stats, roundTrip) => link.onSent(stats, roundTrip),
    });
    this.#joining = new Joining(state, settings, {
      connection: this.connection,
      publisher: this.publisher,
      subscriber: this.subscriber,
      data: this.data,
      monitor: this.#monitor,
      outage,
      timers,
      joined: () => this.#onJoined(),
      resumed: () => this.talk.onSomebodyJoined(),
      setPeople: (peers) => {
        for (const person of state.replacePeople(peers)) {
          this.#remote.onLeft(person);
          this.data.onLeft(person.id);
        }
      },
      dropStale: () => this.#remote.dropStale(),
      end: (ending) => this.end(ending),
    });
  }

  get ended(): boolean {
    return this.#ended;
  }

  /** By consumer id: what is received. */
  get consumers(): ReadonlyMap<string, Subscription> {
    return this.subscriber.consumers;
  }

  /** Joins; camera and microphone follow when they are allowed. */
  start(media: StartMedia): void {
    this.connection.start();
    this.own.start(media);
    this.#visibility.start();
    this.#outage.start();
  }

  /** Whatever ends a session comes through here: nothing lives on. */
  end(ending: Ending): void {
    if (this.#ended) return;
    this.#ended = true;
    if (ending.kind === 'moved') {
      // Without word of where to, it is a moderator's text that reads so.
      ending = this.#movedTo ? { ...ending, to: this.#movedTo } : { ...ending, kind: 'kicked' };
    }
    this.own.end();
    this.connection.close();
    this.#monitor.detach();
    this.#joining.end();
    this.#timers.end();
    this.#tab.end();
    this.#visibility.end();
    this.#outage.end();
    this.subscriber.detach();
    this.data.detach();
    this.onEnded(ending);
  }

  leave(): void {
    this.end({ kind: 'left', detail: '' });
  }

  changeName(name: string): Promise<void> {
    return this.#joining.changeName(name);
  }

  setAudioOnly(on: boolean): void {
    this.#visibility.setAudioOnly(on);
  }

  /** Layers below the highest; null = as the tile needs. */
  setQuality(below: number | null): void {
    this.state.quality.value = below;
    this.subscriber.fixedLayer = below;
  }

  retryNow(): void {
    if (this.connection.open) this.connection.abandon('asked to try again');
    this.connection.retryNow();
  }

  /** Joins anew with ICE over TCP only. */
  tryTcp(): void {
    this.#joining.tryTcp();
  }

  /** What a moderator is offered, and how things stand: others may moderate, too. */
  async refreshModeration(): Promise<void> {
    const { actions, locked, muted, stage } = await this.moderation.look();
    batch(() => {
      this.state.moderation.value = actions;
      this.state.locked.value = locked;
      for (const person of this.state.people.value) {
        person.heldMuted.value = muted.has(person.id);
        person.onStage.value = stage.has(person.id);
      }
    });
  }

  #connect(): Connection {
    return new Connection(
      socketUrl(this.settings, addressNow()),
      {
        open: () => {
          this.own.onOpen();
          void this.#joining.enter();
        },
        down: (outage) => this.#joining.onDown(outage),
        ended: (ending) => this.end(ending),
        request: (request) => {
          if (request.method === 'newConsumer') void this.subscriber.onNewConsumer(request);
          else if (request.method === 'newDataConsumer') void this.data.onNewDataConsumer(request);
          else request.reject(404, `no handler for "${request.method}"`);
        },
        notification: (method, data) => this.#onNotification(method, data),
      },
      {
        connect: (url, protocol) => new WebSocket(url, protocol),
        whyRefused: () => this.#joining.whyRefused(),
        comesBack: () => this.#joining.mayResume,
        random: Math.random,
      },
    );
  }

  #onJoined(): void {
    this.own.onJoined();
    void this.refreshModeration();
    this.talk.onSomebodyJoined();
  }

  #onNotification(method: string, data: any): void {
    switch (method) {
      case 'newPeer':
        this.#onNewPeer(data);
        break;
      case 'peerClosed':
        this.#onPeerClosed(data.peerId);
        break;
      case 'peerDisplayNameChanged':
        if (this.state.find(data.peerId)) this.state.add(data.peerId, data.displayName);
        break;
      case 'activeSpeaker':
        this.#onSpeaker(data.peerId ?? null);
        break;
      case 'dataConsumerClosed':
        this.data.onConsumerClosed(data.dataConsumerId);
        break;
      case 'dataProducerConsumed':
        this.data.onConsumed(data.dataProducerId, data.peerId);
        break;
      case 'dataProducerClosed':
        this.data.onProducerClosed(data.dataProducerId);
        break;
      case 'muted':
        this.own.onMutedByModerator(data.sources);
        this.talk.onMutedByModerator(Array.isArray(data.sources) && data.sources.includes('data'));
        break;
      case 'stage':
        this.own.onStageGiven(data.up === true);
        break;
      case 'producerWantedLayers':
        this.publisher.onWantedLayers(data.producerId, data.encodings);
        break;
      case 'producerClosed':
        this.own.onProducerClosed(data.producerId);
        break;
      case 'moved':
        this.#movedTo = { roomId: String(data.roomId), token: typeof data.token === 'string' ? data.token : '' };
        break;
      default:
        this.subscriber.onNotification(method, data);
        break;
    }
  }

  #onNewPeer(peer: PeerInfo): void {
    const person = this.state.addPeer(peer);
    // A broadcast's audience comes and goes: it is counted, not read aloud.
    if (this.settings.mode !== 'live') this.state.say('has-joined', { name: person.name.value });
    this.talk.onSomebodyJoined();
  }

  #onPeerClosed(id: string): void {
    const person = this.state.remove(id);
    this.data.onLeft(id);
    if (person) this.#remote.onLeft(person);
    this.#onSomebodyStopped();
    if (person && (this.settings.mode !== 'live' || person.publishes.value)) this.state.say('has-left', { name: person.name.value });
  }

  #onSomebodyStopped(): void {
    if (this.state.broadcasters.value.length === 0) this.own.onStageFree();
  }

  #onSpeaker(id: string | null): void {
    const { state } = this;
    batch(() => {
      for (const person of [state.me, ...state.people.value]) {
        const speaks = person.id === id && !person.muted.value;
        person.speaking.value = speaks;
        if (speaks) person.spokeAt.value = Date.now();
      }
    });
  }
}
