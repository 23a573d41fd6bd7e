import type { Registry } from '../base/index.ts'

/** The specification's last metric: no tunnel is built yet, and that is what it says. */
export function nodeMetrics(registry: Registry, version: string): void {
  const tunnel = registry.gauge(
    'p2p_tunnel_protocol',
    'The tunnelling protocol in use is 1; native means that no tunnel carries our traffic',
    { labels: ['protocol'] },
  )
  tunnel.set(1, { protocol: 'native' })
  const build = registry.gauge('p2p_build', 'Always 1; the label is the version that runs', {
    labels: ['version'],
  })
  build.set(1, { version })
}
