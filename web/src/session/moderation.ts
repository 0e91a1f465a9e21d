/**
 * What a moderator may do with others, by the server's management API. It is for bearers of a token
 * with the permission `admin`; nobody else is offered it, nor anybody on a server without that API.
 */
export type ModerationAction = 'mute' | 'kick' | 'lock' | 'stage';

/** Whether a token (a JSON Web Token, RFC 7519) says that its bearer is an administrator. The server checks it. */
export function isAdminToken(token: string): boolean {
  try {
    const payload = token.split('.')[1] ?? '';
    const claims: unknown = JSON.parse(atob(payload.replace(/-/g, '+').replace(/_/g, '/')));
    const permissions = (claims as { permissions?: unknown }).permissions;
    return Array.isArray(permissions) && permissions.includes('admin');
  } catch {
    return false;
  }
}

/** Of whom the management API has a route by kind. */
export interface Member {
  id: string;
  broadcaster: boolean;
}

type Kind = 'peers' | 'broadcasters';
/** The most that a list gives at once (docs/management-api.md §3). */
const pageLimit = 1000;

/** How things stand for a moderator. */
export interface Standing {
  /** What this person is offered here. */
  actions: ReadonlySet<ModerationAction>;
  locked: boolean;
  /** Ids of those whose sound is muted. */
  muted: ReadonlySet<string>;
  /** Ids of those on the stage. */
  stage: ReadonlySet<string>;
}

class NotFoundError extends Error {}

export class Moderation {
  #base: URL;

  /** `page` is the page's own address. */
  constructor(
    page: string,
    roomId: string,
    private readonly token: string,
  ) {
    this.#base = new URL(`api/v1/rooms/${encodeURIComponent(roomId)}`, new URL('.', page));
  }

  async look(): Promise<Standing> {
    const none: Standing = { actions: new Set(), locked: false, muted: new Set(), stage: new Set() };
    if (!isAdminToken(this.token)) return none;
    try {
      const [room, peers, broadcasters] = await Promise.all([this.#call('GET', ''), this.#muted('peers'), this.#muted('broadcasters')]);
      const hasStage = room.policy?.maxPublishers > 0 || room.policy?.stage === 'invited';
      return {
        actions: new Set<ModerationAction>(hasStage ? ['mute', 'kick', 'lock', 'stage'] : ['mute', 'kick', 'lock']),
        locked: !!room.policy?.locked,
        muted: new Set([...peers, ...broadcasters]),
        stage: new Set<string>(room.stage ?? []),
      };
    } catch {
      return none;
    }
  }

  async mute(member: Member): Promise<void> {
    await this.#ofMember('POST', member, '/mute', { sources: ['audio'] });
  }

  async unmute(member: Member): Promise<void> {
    await this.#ofMember('POST', member, '/unmute', { sources: ['audio'] });
  }

  async kick(member: Member): Promise<void> {
    await this.#ofMember('DELETE', member, '');
  }

  /** Gives a place on the stage of a live room, or takes it away. */
  async setStage({ id }: Member, up: boolean): Promise<void> {
    await this.#call(up ? 'PUT' : 'DELETE', `/stage/${encodeURIComponent(id)}`);
  }

  async lock(locked: boolean): Promise<void> {
    await this.#call('PATCH', '', { policy: { locked } });
  }

  /** Those of the first page: of larger rooms, who is muted is told when they are muted here. */
  async #muted(kind: Kind): Promise<string[]> {
    const answer = await this.#call('GET', `/${kind}?limit=${pageLimit}`);
    const members: { id: string; muted?: string[] }[] = answer[kind] ?? [];
    return members.filter(({ muted }) => muted?.includes('audio')).map(({ id }) => id);
  }

  /** By the route of its kind. A browser can say that it is a program: then it is found by the other one. */
  async #ofMember(method: string, { id, broadcaster }: Member, path: string, body?: object): Promise<void> {
    const at = (kind: Kind) => this.#call(method, `/${kind}/${encodeURIComponent(id)}${path}`, body);
    try {
      await at(broadcaster ? 'broadcasters' : 'peers');
    } catch (error) {
      if (!(error instanceof NotFoundError)) throw error;
      await at(broadcaster ? 'peers' : 'broadcasters').catch((other: unknown) => {
        throw other instanceof NotFoundError ? error : other;
      });
    }
  }

  async #call(method: string, path: string, body?: object): Promise<any> {
    const reply = await fetch(`${this.#base}${path}`, {
      method,
      headers: { authorization: `Bearer ${this.token}`, ...(body ? { 'content-type': 'application/json' } : {}) },
      ...(body ? { body: JSON.stringify(body) } : {}),
    });
    const answer = await reply.json().catch(() => ({}));
    if (!reply.ok) throw new (reply.status === 404 ? NotFoundError : Error)(answer.error?.message ?? `HTTP ${reply.status}`);
    return answer;
  }
}
