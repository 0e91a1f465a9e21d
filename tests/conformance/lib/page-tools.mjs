// What runs in the page: peer connections by number. This function is sent as text and uses nothing from outside.

export function makePageTools() {
  const peers = new Map();

  /** A picture that moves and a tone, without any device. */
  function source() {
    const canvas = document.createElement('canvas');
    [canvas.width, canvas.height] = [320, 180];
    const paint = canvas.getContext('2d');
    let frame = 0;
    const timer = setInterval(() => {
      paint.fillStyle = `hsl(${(frame * 3) % 360} 70% 50%)`;
      paint.fillRect(0, 0, 320, 180);
      paint.fillStyle = '#fff';
      paint.fillRect((frame * 5) % 300, 80, 20, 20);
      ++frame;
    }, 40);
    const audio = new AudioContext();
    const tone = audio.createOscillator();
    const out = audio.createMediaStreamDestination();
    tone.connect(out);
    tone.start();
    const stream = new MediaStream([...canvas.captureStream(25).getTracks(), ...out.stream.getTracks()]);
    return { stream, stop: () => { clearInterval(timer); audio.close(); } };
  }

  /** What `report` adds up to. */
  function sums(report) {
    const found = { sent: { audio: 0, video: 0 }, received: { audio: 0, video: 0 }, framesDecoded: 0, keyFramesDecoded: 0, audioEnergy: 0, codec: '', rtt: undefined };
    report.forEach((each) => {
      if (each.type === 'outbound-rtp') found.sent[each.kind] += each.packetsSent ?? 0;
      if (each.type === 'remote-inbound-rtp' && each.roundTripTime !== undefined) found.rtt = each.roundTripTime;
      if (each.type !== 'inbound-rtp') return;
      found.received[each.kind] += each.packetsReceived ?? 0;
      if (each.kind === 'audio') found.audioEnergy += each.totalAudioEnergy ?? 0;
      if (each.kind !== 'video') return;
      found.framesDecoded += each.framesDecoded ?? 0;
      found.keyFramesDecoded += each.keyFramesDecoded ?? 0;
      found.codec = report.get(each.codecId)?.mimeType ?? found.codec;
    });
    return found;
  }

  function credentials(sdp) {
    return { ufrag: sdp.match(/a=ice-ufrag:(\S+)/)[1], pwd: sdp.match(/a=ice-pwd:(\S+)/)[1] };
  }

  return {
    /** Makes a connection and gives its offer with all candidates. */
    async offer(number, { publish }) {
      const connection = new RTCPeerConnection({ bundlePolicy: 'max-bundle' });
      const media = publish ? source() : undefined;
      peers.set(number, { connection, media, elements: [] });
      if (publish) for (const track of media.stream.getTracks()) connection.addTransceiver(track, { direction: 'sendonly', streams: [media.stream] });
      else for (const kind of ['audio', 'video']) connection.addTransceiver(kind, { direction: 'recvonly' });
      // Chromium decodes what is played only.
      connection.ontrack = ({ track }) => {
        const element = document.createElement(track.kind);
        element.autoplay = true;
        element.srcObject = new MediaStream([track]);
        document.body.append(element);
        peers.get(number)?.elements.push(element);
        element.play().catch(() => {});
      };
      await connection.setLocalDescription();
      return connection.localDescription.sdp;
    },

    async answer(number, sdp) {
      await peers.get(number).connection.setRemoteDescription({ type: 'answer', sdp });
    },

    /** Begins an ICE restart: gives the new credentials. */
    async restart(number) {
      const { connection } = peers.get(number);
      const remote = connection.remoteDescription.sdp;
      await connection.setLocalDescription(await connection.createOffer({ iceRestart: true }));
      peers.get(number).remote = remote;
      return credentials(connection.localDescription.sdp);
    },

    /** Ends it with the server's fragment: {ufrag, pwd, candidates}. */
    async restarted(number, { ufrag, pwd, candidates }) {
      const peer = peers.get(number);
      let first = true;
      const sdp = peer.remote
        .replace(/^a=candidate:.*\r\n/gm, '')
        .replace(/^a=ice-ufrag:.*$/gm, `a=ice-ufrag:${ufrag}`)
        .replace(/^a=ice-pwd:.*$/gm, () => {
          const lines = first ? candidates.map((each) => `\r\na=candidate:${each}`).join('') : '';
          first = false;
          return `a=ice-pwd:${pwd}${lines}`;
        });
      await peer.connection.setRemoteDescription({ type: 'answer', sdp });
    },

    /** {state, ice, sent, received, framesDecoded, …}. */
    async stats(number) {
      const { connection } = peers.get(number);
      return { state: connection.connectionState, ice: connection.iceConnectionState, ...sums(await connection.getStats()) };
    },

    close(number) {
      const peer = peers.get(number);
      peers.delete(number);
      for (const element of peer?.elements ?? []) element.remove();
      peer?.media?.stop();
      peer?.connection.close();
    },

    /** Makes and ends a session as a page of this origin does: what it could read. `number` only keeps the form. */
    async fetchSession(number, { url, token, sdp }) {
      const authorization = token ? { authorization: `Bearer ${token}` } : {};
      const response = await fetch(url, { method: 'POST', headers: { 'content-type': 'application/sdp', ...authorization }, body: sdp });
      const seen = { status: response.status, location: response.headers.get('location'), etag: response.headers.get('etag') };
      if (seen.location) seen.deleted = (await fetch(new URL(seen.location, response.url), { method: 'DELETE', headers: authorization })).status;
      return seen;
    },
  };
}
