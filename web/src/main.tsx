import { render } from 'preact';
import './style/tokens.css';
import './style/base.css';
import './style/form.css';
import { App } from './app';
import './state/theme';
import { useLanguage, wantedLanguage } from './words';

await useLanguage(wantedLanguage(window.location.href)).catch(() => undefined);
render(<App />, document.getElementById('app')!);
