import { defineConfig } from 'vite';

export default defineConfig({
  build: { outDir: 'dist', sourcemap: false, target: 'es2022' },
  // `npm run dev` beside a running controller: the WebSocket goes to its plain port.
  server: { proxy: { '/rooms': 'http://localhost:3000', '/protoo': { target: 'ws://localhost:3000', ws: true } } },
});
