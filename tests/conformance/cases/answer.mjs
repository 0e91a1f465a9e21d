// What an answer must hold: all look at the same one, of the plainest offer.
import { Skip, expect } from '../lib/expect.mjs';
import { directions, makeOffer } from '../lib/offers.mjs';
import { fingerprintForm, parseCandidate, parseSdp, pwdForm, sdpProblems, ufragForm } from '../lib/sdp.mjs';
import { casesOf } from './define.mjs';

const longestForAll = 8192; // bytes: what ffmpeg's WHIP muxer takes

/** A case that looks at {answer, offer, text}, offer parsed, too. */
const look = (protocol, judge) => async (context) => {
  const { answer, offer } = await context.answered(protocol);
  return judge(answer, parseSdp(offer.sdp));
};

const accepted = (answer) => answer.media.filter((section) => !section.rejected);

function shape(protocol, { must, should }) {
  must('answer-form', 'RFC 8866 §5', 'the answer is a session description: v=0 first, lines end with CRLF', look(protocol, (answer) => {
    const problems = sdpProblems(answer.text);
    expect(problems.length === 0, problems.join(', '));
    return `${answer.text.length} bytes`;
  }));
  should('answer-size', 'practice, ffmpeg', `the answer is at most ${longestForAll} bytes`, look(protocol, (answer) => {
    expect(answer.text.length <= longestForAll, `${answer.text.length} bytes`);
    return `${answer.text.length} bytes`;
  }));
  must('answer-sections', 'RFC 3264 §6', 'the answer has the offer’s m= lines: as many, in that order, with their mids', look(protocol, (answer, offer) => {
    const lines = (description) => description.media.map((section) => `${section.kind} ${section.mid} ${section.proto}`).join(', ');
    expect(lines(answer) === lines(offer), `${lines(answer)} for ${lines(offer)}`);
    return lines(answer);
  }));
  must('answer-direction', 'direction', `every accepted section is ${directions[protocol].answer}`, look(protocol, (answer) => {
    const found = accepted(answer).map((section) => answer.directionOf(section));
    // A player that asks for more kinds than are live gets inactive for the others.
    const allowed = protocol === 'whep' ? [directions.whep.answer, 'inactive'] : [directions.whip.answer];
    expect(found.length > 0, 'every section is rejected');
    expect(found.every((each) => allowed.includes(each)) && found.includes(allowed[0]), found.join(', '));
    return found.join(', ');
  }));
}

function transport(protocol, { must, should }) {
  must('answer-bundle', 'bundle', 'all accepted sections are in one BUNDLE group', look(protocol, (answer) => {
    const mids = accepted(answer).map((section) => section.mid);
    expect(answer.bundle, 'no BUNDLE group');
    expect(mids.every((mid) => answer.bundle.includes(mid)), `BUNDLE ${answer.bundle.join(' ')}; accepted are ${mids.join(' ')}`);
    return `BUNDLE ${answer.bundle.join(' ')}`;
  }));
  must('answer-rtcp-mux', 'bundle', 'RTP and RTCP are multiplexed: rtcp-mux', look(protocol, (answer) => {
    expect(answer.tagged.has('rtcp-mux'), 'no rtcp-mux in the tagged section');
    return 'rtcp-mux';
  }));
  must('answer-rtcp-mux-only', 'bundle', 'and nothing else: rtcp-mux-only', look(protocol, (answer) => {
    expect(answer.tagged.has('rtcp-mux-only'), 'no rtcp-mux-only in the tagged section');
    return 'rtcp-mux-only';
  }));
  must('answer-ice', 'RFC 8839 §5.4', 'ice-ufrag of 4 and ice-pwd of 22 characters or more', look(protocol, (answer) => {
    const [ufrag, pwd] = [answer.transport('ice-ufrag') ?? '', answer.transport('ice-pwd') ?? ''];
    expect(ufragForm.test(ufrag), `ice-ufrag is '${ufrag}'`);
    expect(pwdForm.test(pwd), `ice-pwd is '${pwd}'`);
    return `${ufrag.length} and ${pwd.length} characters`;
  }));
  must('answer-fingerprint', 'RFC 8842 §5.3', 'a fingerprint of the certificate', look(protocol, (answer) => {
    const fingerprint = answer.transport('fingerprint') ?? '';
    expect(fingerprintForm.test(fingerprint), `fingerprint is '${fingerprint}'`);
    return fingerprint.split(' ')[0];
  }));
  must('answer-setup', 'RFC 8842 §5.3', 'actpass is answered with active or passive', look(protocol, (answer) => {
    const role = answer.transport('setup');
    expect(['active', 'passive'].includes(role), `setup:${role}`);
    return `setup:${role}`;
  }));
  must('answer-candidates', 'trickle', 'the answer has all candidates of the server: at least one', look(protocol, (answer) => {
    const lines = answer.media.flatMap((section) => section.all('candidate'));
    expect(lines.length > 0, 'no candidate');
    const bad = lines.find((line) => !parseCandidate(line));
    expect(bad === undefined, `no candidate by RFC 8839: ${bad}`);
    const named = answer.tagged.all('candidate');
    expect(named.length > 0, 'none of them is in the tagged section');
    return lines.map(parseCandidate).map(({ transport: over, address, port }) => `${over} ${address}:${port}`).join(', ');
  }));
  should('answer-candidates-usable', 'RFC 8445 §5.1', 'no candidate has an address that cannot be reached from anywhere', look(protocol, (answer) => {
    const parsed = answer.media.flatMap((section) => section.all('candidate')).map(parseCandidate).filter(Boolean);
    const useless = parsed.find(({ address, port, tcptype }) => ['0.0.0.0', '::'].includes(address) || (port === 0 && tcptype !== 'active'));
    expect(!useless, useless && `${useless.address}:${useless.port}`);
    return `${parsed.length} candidates`;
  }));
  must('answer-ice-lite', 'RFC 8839 §5.3', 'ice-lite, where it is said, is said of the session', look(protocol, (answer) => {
    expect(!answer.media.some((section) => section.has('ice-lite')), 'ice-lite in an m= section');
    return answer.session.has('ice-lite') ? 'ice-lite' : 'full ICE';
  }));
}

function media(protocol, { must }) {
  must('answer-formats', 'RFC 3264 §6.1', 'formats are of those that were offered, with the same codecs', look(protocol, (answer, offer) => {
    accepted(answer).forEach((section) => {
      const offered = offer.media[answer.media.indexOf(section)];
      const foreign = section.formats.find((format) => !offered.formats.includes(format));
      expect(foreign === undefined, `${section.kind}: ${foreign} was not offered`);
      for (const format of section.formats) {
        const [ours, theirs] = [offered.codec(format), section.codec(format)];
        expect(ours === theirs, `${section.kind}: ${format} is ${theirs}; ${ours} was offered`);
      }
    });
    return accepted(answer).map((section) => section.codec(section.formats[0])).join(', ');
  }));
  must('answer-extensions', 'RFC 8285 §6', 'header extensions are of those that were offered, with their ids', look(protocol, (answer, offer) => {
    let count = 0;
    accepted(answer).forEach((section) => {
      const offered = offer.media[answer.media.indexOf(section)].extensions();
      for (const { id, uri } of section.extensions()) {
        ++count;
        expect(offered.some((each) => each.id === id && each.uri === uri), `${section.kind}: ${id} ${uri} was not offered`);
      }
    });
    return `${count} extensions`;
  }));
}

function simulcast({ must }) {
  must('answer-simulcast', 'simulcast', 'simulcast that is offered is answered with rid and simulcast:recv, or not at all', async (context) => {
    const { answer } = await context.open('whip', { simulcast: true });
    const video = answer.media.find((section) => section.kind === 'video');
    const value = video.get('simulcast');
    if (value === undefined) {
      expect(!video.has('rid'), 'rid without simulcast');
      throw new Skip('no simulcast');
    }
    expect(/^recv [A-Za-z0-9_;,~-]+$/.test(value), `simulcast:${value}`);
    const rids = value.slice(5).split(/[;,]/).map((rid) => rid.replace(/^~/, ''));
    expect(rids.every((rid) => ['q', 'h', 'f'].includes(rid)), `simulcast:${value}; q, h and f were offered`);
    expect(rids.every((rid) => video.all('rid').some((each) => each.startsWith(`${rid} recv`))), `simulcast:${value}, but rid: ${video.all('rid').join(', ')}`);
    return `simulcast:${value}`;
  });
}

function oneStream({ must }) {
  must('answer-msid', 'stream', 'all sections that send belong to one MediaStream', look('whep', (answer) => {
    const sending = accepted(answer).filter((section) => answer.directionOf(section) === 'sendonly');
    const streams = sending.map((section) => section.get('msid')?.split(' ')[0]);
    expect(streams.every(Boolean), 'a section has no msid');
    expect(new Set(streams).size === 1, `msid: ${streams.join(', ')}`);
    return `msid:${streams[0]}`;
  }));
  must('answer-one-each', 'stream', 'at most one audio and one video track', async (context) => {
    const { response, answer } = await context.attempt('whep', makeOffer('whep', { kinds: ['audio', 'video', 'video'] }));
    if (response.status !== 201) return `${response.status}`;
    const count = (kind) => accepted(answer).filter((section) => section.kind === kind && answer.directionOf(section) === 'sendonly').length;
    expect(count('audio') <= 1 && count('video') <= 1, `${count('audio')} audio and ${count('video')} video`);
    return `${count('audio')} audio and ${count('video')} video`;
  });
}

export function answerCases(protocol) {
  const list = [];
  const levels = casesOf(protocol, list);
  shape(protocol, levels);
  transport(protocol, levels);
  media(protocol, levels);
  if (protocol === 'whip') simulcast(levels);
  else oneStream(levels);
  return list;
}
