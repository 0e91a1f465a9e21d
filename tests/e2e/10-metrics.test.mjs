// Supervision: /metrics while a broadcast runs (every name of docs/metrics.md is there, and what
// should move does), /healthz, /readyz; and a server with a secret.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import dgram from 'node:dgram';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { Browser } from './lib/chromium.mjs';
import { controllerBin, root } from './lib/paths.mjs';
import { Sluice } from './lib/sluice.mjs';
import { waitFor } from './lib/wait.mjs';

let sluice;
let browser;
let broadcast;
let idle; // the page of a server that nobody has used

before(async () => {
  sluice = await Sluice.start('metrics-controller');
  idle = await waitFor('the workers', async () => {
    const page = await scrape(sluice.url);
    return page.get('sluice_workers_ready') >= 1 && page;
  });
  browser = await Browser.launch();
  broadcast = sluice.broadcast('demo');
});
after(async () => {
  await broadcast?.stop();
  await browser?.close();
  await sluice?.stop();
});

/**
 * What need not move while a broadcaster without congestion feedback has a viewer on a good link:
 * values of the moment, and counts of what goes wrong or is rare. All others must.
 */
const mayStayStill = new Set([
  'sluice_room_transports_unreached_total', 'sluice_room_newcomers_ended_total',
  'sluice_worker_answered', 'sluice_worker_rtx_packets_received_total', 'sluice_worker_rtx_bytes_received_total',
  'sluice_worker_rtx_packets_sent_total', 'sluice_worker_rtx_bytes_sent_total',
  'sluice_worker_transport_packets_refused_total', 'sluice_worker_producer_packets_lost_total',
  'sluice_worker_producer_packets_discarded_total', 'sluice_worker_producer_packets_repaired_total',
  'sluice_worker_producer_nacks_sent_total', 'sluice_worker_producer_packets_nacked_total',
  'sluice_worker_producer_plis_sent_total', 'sluice_worker_producer_firs_sent_total',
  'sluice_worker_producer_key_frame_requests_merged_total', 'sluice_worker_producer_restarts_total',
  'sluice_worker_producer_time_jumps_total', 'sluice_worker_transport_feedbacks_sent_total',
  'sluice_worker_transport_feedback_late_packets_total', 'sluice_worker_producer_refusals_total',
  'sluice_worker_consumer_nacks_received_total', 'sluice_worker_consumer_packets_nacked_total',
  'sluice_worker_consumer_plis_received_total', 'sluice_worker_consumer_firs_received_total',
  'sluice_worker_consumer_bad_round_trips_total', 'sluice_worker_consumer_refusals_total',
  'sluice_worker_consumer_groups_replayed_total', 'sluice_worker_consumer_replays_cut_total',
  'sluice_worker_consumer_replays_lost_total',
  'sluice_worker_ice_tuples_evicted_total', 'sluice_worker_dtls_malformed_records_total',
  'sluice_worker_dtls_ignored_datagrams_total', 'sluice_worker_dtls_dropped_application_data_total',
  'sluice_worker_dtls_retransmissions_total', 'sluice_worker_ice_consent_moved_total',
  'sluice_worker_ice_consent_lost_total', 'sluice_worker_dtls_unexpected_records_total',
  'sluice_worker_dtls_plaintext_alerts_total', 'sluice_worker_dtls_refused_hellos_total',
  'sluice_worker_dtls_dropped_outputs_total', 'sluice_worker_srtp_refused_no_room_total',
  'sluice_worker_srtp_refused_index_used_total', 'sluice_worker_srtp_refused_other_total',
  'sluice_worker_srtp_rollover_searches_total', 'sluice_worker_srtp_rollovers_found_total',
  'sluice_worker_plain_transport_events_total', 'sluice_worker_data_messages_received_total',
  'sluice_worker_data_bytes_received_total', 'sluice_worker_data_messages_sent_total',
  'sluice_worker_data_bytes_sent_total', 'sluice_worker_sctp_restarts_total',
  'sluice_worker_sctp_dropped_outputs_total', 'sluice_worker_data_messages_refused_total',
  'sluice_worker_sctp_packets_refused_total', 'sluice_worker_udp_early_flushes_total',
  'sluice_worker_udp_send_would_block_total', 'sluice_worker_udp_send_device_full_total',
  'sluice_worker_udp_gso_fallbacks_total', 'sluice_worker_udp_stale_commits_total',
  'sluice_worker_udp_big_datagrams_total', 'sluice_worker_udp_truncated_datagrams_total',
  'sluice_worker_udp_receive_errors_total', 'sluice_worker_udp_kernel_dropped_total',
  'sluice_worker_udp_unreachable_total', 'sluice_worker_tcp_accept_errors_total',
  'sluice_worker_tcp_packets_received_total', 'sluice_worker_tcp_packets_sent_total',
  'sluice_worker_tcp_packets_refused_total', 'sluice_worker_tcp_held_up_total',
  'sluice_worker_udp_backlog_dropped_frames_total', 'sluice_worker_tcp_backlog_dropped_frames_total',
  'sluice_worker_udp_backlog_dropped_total', 'sluice_worker_tcp_backlog_dropped_total',
  'sluice_worker_udp_packets_dropped_total', 'sluice_worker_channel_frames_rejected_total',
  'sluice_worker_channel_dropped_media_total', 'sluice_worker_channel_backlog_bytes', 'sluice_build_info',
  'sluice_http_connections_refused_total', 'sluice_http_websockets_ended_total',
  'sluice_log_lines_left_out_total', 'sluice_rooms_evicted_total', 'sluice_rooms_refused_total',
  'sluice_room_transports_refused_total', 'sluice_room_transports_closed_total',
  'sluice_room_broadcasters_ended_total', 'sluice_room_publishing_refused_total',
  'sluice_room_joining_refused_total', 'sluice_room_moderations_total', 'sluice_room_peers_away',
  'sluice_room_resumptions_total', 'sluice_workers_ready', 'sluice_workers_died_total',
  'sluice_workers_invalid_frames_total', 'sluice_workers_requests_refused_total',
  'sluice_workers_unresponsive_total', 'sluice_http_reading_delayed_total',
  'sluice_source_requests_refused_total', 'sluice_requests_over_limit_total',
  'sluice_http_connections_timed_out_total', 'sluice_worker_channel_events_merged_total',
  'sluice_worker_ice_addresses_proven_total', 'sluice_worker_ice_moves_refused_total',
  'sluice_worker_ice_moves_unproven_total', 'sluice_worker_ice_probes_sent_total',
  'sluice_worker_ice_proofs_expired_total', 'sluice_worker_transport_objects_refused_total',
  'sluice_whip_sessions', 'sluice_worker_ice_dropped_outputs_total', 'sluice_datachannel_sessions',
  'sluice_datachannel_messages_refused_total',
  'sluice_worker_bandwidth_feedbacks_received_total', 'sluice_worker_bandwidth_rembs_received_total',
  'sluice_worker_bandwidth_clock_steps_total', 'sluice_worker_bandwidth_probes_sent_total',
  'sluice_worker_bandwidth_padding_bytes_sent_total', 'sluice_worker_pacer_packets_held_total',
  'sluice_worker_pacer_packets_dropped_total', 'sluice_worker_bandwidth_available_bits_per_second',
  'sluice_worker_bandwidth_wanted_bits_per_second', 'sluice_worker_bandwidth_consumers_resting',
  'sluice_worker_pacer_queued_bytes', 'sluice_worker_bandwidth_packets_reported_total',
  'sluice_worker_bandwidth_paths', 'sluice_gst_sessions_total', 'sluice_gst_sessions_failed_total',
  'sluice_gst_messages_refused_total', 'sluice_gst_control_messages_total', 'sluice_draining',
  'sluice_webhook_events_waiting', 'sluice_webhook_events_total', 'sluice_webhook_retries_total',
]);

/** What need not go on, but is more once there are a broadcaster, a viewer and strangers that are refused. */
const movesOnce = new Set([
  'sluice_worker_sctp_packets_received_total', 'sluice_worker_sctp_packets_sent_total',
  'sluice_worker_packet_buffer_bytes', 'sluice_worker_objects', 'sluice_http_connections',
  'sluice_http_websockets', 'sluice_http_held_bytes', 'sluice_http_connections_accepted_total',
  'sluice_log_lines_total', 'sluice_rooms', 'sluice_room_peers', 'sluice_room_broadcasters',
  'sluice_stored_bytes', 'sluice_worker_webrtc_server_packets_refused_total',
  'sluice_worker_tcp_connections_accepted_total', 'sluice_worker_tcp_connections_refused_total',
  'sluice_http_requests_refused_total',
]);

/** The sums over all labels, by name. */
async function scrape(url) {
  const response = await fetch(new URL('/metrics', url));
  assert.equal(response.status, 200);
  assert.match(response.headers.get('content-type'), /^text\/plain; version=0\.0\.4/);
  const sums = new Map();
  for (const line of (await response.text()).split('\n')) {
    if (line === '' || line.startsWith('#')) continue;
    const match = /^([a-z_]+)(?:\{.*\})? (\S+)$/.exec(line);
    assert.ok(match, `not a sample: ${line}`);
    sums.set(match[1], (sums.get(match[1]) ?? 0) + Number(match[2]));
  }
  return sums;
}

/** What strangers send: neither STUN nor DTLS, a frame over TCP that cannot fit, a request for another host. */
async function knock() {
  const udp = dgram.createSocket('udp4');
  await new Promise((resolve) => udp.send(Buffer.alloc(12, 0x80), sluice.rtcPort, '127.0.0.1', resolve));
  udp.close();
  const tcp = net.connect(sluice.rtcPort, '127.0.0.1');
  tcp.on('error', () => undefined);
  tcp.write(Buffer.alloc(12, 0xff));
  await once(tcp, 'close');
  const request = http.get(sluice.url, { headers: { host: 'elsewhere.example' } });
  const [response] = await once(request, 'response');
  response.resume();
  assert.ok(response.statusCode >= 400);
}

test('every documented metric is there, and what a broadcast moves moves', async () => {
  const page = readFileSync(path.join(root, 'docs/metrics.md'), 'utf8');
  const documented = new Set([...page.matchAll(/`(sluice_[a-z_]+)[`{]/g)].map((match) => match[1]));
  assert.ok(documented.size > 50, 'docs/metrics.md lists the metrics');

  const viewer = await browser.join(sluice.url, { roomId: 'demo', mode: 'live', displayName: 'Ann' });
  await viewer.waitForMedia(1);
  const first = await scrape(sluice.url);
  for (const name of documented) {
    assert.ok(first.has(name) || first.has(`${name}_count`), `${name} is missing`);
  }
  for (const name of first.keys()) {
    assert.ok(documented.has(name.replace(/_(bucket|sum|count)$/, '')) || documented.has(name), `${name} is not documented`);
  }
  assert.equal(first.get('sluice_rooms'), 1);
  assert.equal(first.get('sluice_room_peers'), 1);
  assert.equal(first.get('sluice_room_broadcasters'), 1);
  assert.ok(first.get('sluice_workers_ready') >= 1);

  await knock();
  const moving = [...documented].filter((name) => !mayStayStill.has(name));
  for (const name of [...mayStayStill, ...movesOnce]) assert.ok(documented.has(name), `${name} is not documented`);
  const valueOf = (page, name) => page.get(`${name}_count`) ?? page.get(name);
  let still = moving;
  await waitFor('everything else to move', async () => {
    const now = await scrape(sluice.url);
    still = still.filter((name) => !(valueOf(now, name) > (valueOf(movesOnce.has(name) ? idle : first, name) ?? 0)));
    return still.length === 0;
  }, { describe: () => still });
  await viewer.close();
});

test('a supervisor learns that the server lives and is ready', async () => {
  for (const page of ['/healthz', '/readyz']) {
    assert.equal((await fetch(new URL(page, sluice.url))).status, 200);
  }
});

test('a server with a secret lets in who brings a token', async () => {
  const secret = 'a secret of this test, 32 bytes or more';
  const env = { ...process.env, SLUICE_AUTH_SECRET: secret };
  const guarded = await Sluice.start('guarded-controller', { env: { SLUICE_AUTH_SECRET: secret } });
  try {
    const room = new URL('/rooms/demo', guarded.url);
    const refused = await fetch(room);
    assert.equal(refused.status, 401);
    assert.match(await refused.text(), /a token is needed/);
    const token = execFileSync(controllerBin, ['token', '--room', 'demo', '--subscribe', '--ttl', '1m'], { env })
      .toString().trim();
    const headers = { Authorization: `Bearer ${token}` };
    assert.equal((await fetch(room, { headers })).status, 200);
    assert.equal((await fetch(new URL('/rooms/other', guarded.url), { headers })).status, 403);
    const viewer = await browser.join(guarded.url, { roomId: 'demo', mode: 'live', displayName: 'Ann', token });
    await viewer.close();
  } finally {
    await guarded.stop();
  }
});
