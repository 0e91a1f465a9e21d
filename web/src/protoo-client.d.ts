declare module 'protoo-client' {
  export interface ProtooRequest {
    id: number;
    method: string;
    data: any;
  }
  export interface ProtooNotification {
    method: string;
    data: any;
  }
  export class WebSocketTransport {
    constructor(url: string, options?: { retry?: Record<string, unknown> });
    close(): void;
  }
  export class Peer {
    constructor(transport: WebSocketTransport);
    readonly connected: boolean;
    readonly closed: boolean;
    on(event: 'open' | 'disconnected' | 'close', listener: () => void): this;
    on(event: 'failed', listener: (attempt: number) => void): this;
    on(
      event: 'request',
      listener: (
        request: ProtooRequest,
        accept: (data?: unknown) => void,
        reject: (code: number | Error, reason?: string) => void,
      ) => void,
    ): this;
    on(event: 'notification', listener: (notification: ProtooNotification) => void): this;
    request(method: string, data?: unknown): Promise<any>;
    close(): void;
  }
}
