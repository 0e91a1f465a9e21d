import { TriangleAlert, WifiOff } from 'lucide-preact';
import { list, t } from '../words';
import { useRoom } from './context';
import { Details } from './controls';
import { useNow } from './hooks';

/** What is wrong with the connection. */
export function Banner() {
  const { state, actions } = useRoom();
  const network = state.network.value;
  const down = network.kind === 'down' && state.outage.value ? network : null;
  const now = useNow(1000, !!down);
  if (down) {
    const seconds = Math.max(0, Math.round((now - down.since) / 1000));
    let text = t(down.joinedBefore ? 'connection-lost-for' : 'server-silent-since', { seconds });
    if (down.why === 'busy') text = t('server-busy');
    if (down.why === 'taken') text = t('place-taken');
    if (down.why === 'restart') text = t('server-restart');
    return (
      <div class="banner bad">
        <WifiOff size={20} aria-hidden="true" />
        <p>{text}</p>
        <button type="button" class="button small" onClick={() => actions.retryNow()}>{t('try-now')}</button>
        <Details text={down.detail} />
      </div>
    );
  }
  if (network.kind === 'blocked') {
    const ports = network.addresses.map(({ protocol, port }) => `${protocol.toUpperCase()} ${port}`);
    const addresses = [...new Set(network.addresses.map(({ address }) => address))];
    return (
      <div class="banner bad" role="alert">
        <TriangleAlert size={20} aria-hidden="true" />
        <p>{t('media-blocked', { ports: list([...new Set(ports)]), address: list(addresses) })}</p>
        {!state.settings.forceTcp && <button type="button" class="button small" onClick={() => actions.tryTcp()}>{t('try-tcp')}</button>}
        <Details text={network.detail} />
      </div>
    );
  }
  return null;
}
