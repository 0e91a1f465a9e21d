import { brotliCompressSync, constants, gzipSync } from 'node:zlib';
import { defineConfig, type Plugin } from 'vite';

/** Beside each text file of the page its gzip and brotli forms, for servers that send what is there. */
function compressed(): Plugin {
  return {
    name: 'sluice-compressed',
    apply: 'build',
    enforce: 'post',
    generateBundle: {
      order: 'post',
      handler(_options, bundle) {
        for (const [fileName, item] of Object.entries(bundle)) {
          if (!/\.(js|css|html|svg|json)$/.test(fileName)) continue;
          const bytes = Buffer.from(item.type === 'chunk' ? item.code : item.source);
          this.emitFile({ type: 'asset', fileName: `${fileName}.gz`, source: gzipSync(bytes, { level: 9 }) });
          this.emitFile({
            type: 'asset',
            fileName: `${fileName}.br`,
            source: brotliCompressSync(bytes, { params: { [constants.BROTLI_PARAM_QUALITY]: 11 } }),
          });
        }
      },
    },
  };
}

export default defineConfig(({ mode }) => {
  const fixtures = mode === 'fixtures';
  return {
    // The page may be served below any path: behind a proxy it is not at the root.
    base: './',
    plugins: fixtures ? [] : [compressed()],
    build: {
      outDir: fixtures ? 'dist-fixtures' : 'dist',
      sourcemap: false,
      target: 'es2022',
      // Two pages: the app, and the one that watches by WHEP, which the server has at /watch/ROOM.
      rollupOptions: { input: fixtures ? 'fixtures.html' : { index: 'index.html', watch: 'watch/index.html' } },
      // Browsers that know no modulepreload load a moment later; nobody loads a polyfill.
      modulePreload: { polyfill: false },
    },
    // `npm run dev` beside a running controller: the WebSocket goes to its plain port.
    server: { proxy: { '/rooms': 'http://localhost:3000', '/protoo': { target: 'ws://localhost:3000', ws: true } } },
    // Long: a test's own words say what is awaited, and some machines do other things, too.
    test: { include: ['tests/**/*.test.ts'], testTimeout: 30_000 },
  };
});
