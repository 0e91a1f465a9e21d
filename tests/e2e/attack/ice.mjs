// As much of ICE as a client needs to prove itself (RFC 8445, RFC 8489), over TCP (RFC 4571) and UDP.
import { createHmac, randomBytes } from 'node:crypto';
import net from 'node:net';
import zlib from 'node:zlib';

const kBindingRequest = 0x0001, kBindingSuccess = 0x0101;
const kUsername = 0x0006, kIntegrity = 0x0008, kPriority = 0x0024, kFingerprint = 0x8028, kControlling = 0x802a;
const kCookie = 0x2112a442;

function attribute(type, value) {
  const bytes = Buffer.alloc(4 + Math.ceil(value.length / 4) * 4);
  bytes.writeUInt16BE(type, 0);
  bytes.writeUInt16BE(value.length, 2);
  value.copy(bytes, 4);
  return bytes;
}

// zlib.crc32 is younger than the oldest Node that we support.
const crcTable = Uint32Array.from({ length: 256 }, (_, n) => {
  let c = n;
  for (let k = 0; k < 8; k += 1) c = c & 1 ? 0xedb88320 ^ (c >>> 1) : c >>> 1;
  return c >>> 0;
});
function crc32(bytes) {
  if (zlib.crc32) return zlib.crc32(bytes);
  let c = 0xffffffff;
  for (const byte of bytes) c = crcTable[(c ^ byte) & 0xff] ^ (c >>> 8);
  return (c ^ 0xffffffff) >>> 0;
}

/** A connectivity check of a controlling agent. */
export function bindingRequest({ usernameFragment, password }) {
  const header = Buffer.alloc(20);
  header.writeUInt16BE(kBindingRequest, 0);
  header.writeUInt32BE(kCookie, 4);
  randomBytes(12).copy(header, 8);
  const priority = Buffer.alloc(4);
  priority.writeUInt32BE(0x6e0001ff);
  let message = Buffer.concat([
    header, attribute(kUsername, Buffer.from(`${usernameFragment}:test`)),
    attribute(kPriority, priority), attribute(kControlling, randomBytes(8)),
  ]);
  message.writeUInt16BE(message.length - 20 + 24, 2);  // with the integrity
  message = Buffer.concat([message, attribute(kIntegrity, createHmac('sha1', password).update(message).digest())]);
  message.writeUInt16BE(message.length - 20 + 8, 2);   // with the fingerprint
  const fingerprint = Buffer.alloc(4);
  fingerprint.writeUInt32BE((crc32(message) ^ 0x5354554e) >>> 0);
  return Buffer.concat([message, attribute(kFingerprint, fingerprint)]);
}

/** Milliseconds until a check over a TCP connection of its own is answered; fails when it is not. */
export function checkOverTcp({ host = '127.0.0.1', port, from, iceParameters, patience = 3_000 }) {
  return new Promise((resolve, reject) => {
    const began = performance.now();
    const socket = net.connect({ host, port, localAddress: from });
    const end = (settle, value) => {
      clearTimeout(timer);
      socket.destroy();
      settle(value);
    };
    const timer = setTimeout(end, patience, reject, new Error('ICE-TCP: no answer to a valid check'));
    socket.on('error', (error) => end(reject, new Error(`ICE-TCP: ${error.message}`)));
    socket.on('close', () => end(reject, new Error('ICE-TCP: closed before its check was answered')));
    socket.on('connect', () => {
      const request = bindingRequest(iceParameters);
      const length = Buffer.alloc(2);
      length.writeUInt16BE(request.length);
      socket.write(Buffer.concat([length, request]));
    });
    socket.on('data', (chunk) => {
      if (chunk.length >= 4 && chunk.readUInt16BE(2) === kBindingSuccess) end(resolve, performance.now() - began);
    });
  });
}
