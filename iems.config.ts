/**
 * The configuration that `npm start` runs: a whole mail system for the domain example.test, on loopback ports that need
 * no rights. Nothing leaves the machine. Change it, and see what is wrong with it by `npx iems check`.
 *
 * What mailServer() is made of, and how each part is replaced: docs/presets.md. For a server of your own: `npx iems init`.
 */
import { defineConfig } from 'iems'
import { mailServer } from 'iems/presets'

export default defineConfig(
  mailServer({
    domain: 'example.test',
    store: { path: 'data' },
    address: '127.0.0.1',
    ports: 'high',
    outgoing: 'none',
    protection: 'none',
  }),
)
