/** Something that a host may lack: QUIC's native part, or IPv6. `node` reports it as it is. */
export interface Facility {
  readonly state: 'active' | 'off' | 'unavailable'
  readonly reason?: string
  readonly remedy?: string
}
