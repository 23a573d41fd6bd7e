/**
 * A certificate for 127.0.0.1, ::1 and localhost that signs itself, with its key: for tests of TLS
 * on this machine, good for nothing else, and until the year 2126.
 */

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export const TEST_CERTIFICATE = `-----BEGIN CERTIFICATE-----
MIIBwzCCAWigAwIBAgIURe6m6XDhWplOQA54ptyVoO4p9qMwCgYIKoZIzj0EAwIw
HjEcMBoGA1UEAwwTcDJwLWZvdW5kYXRpb24gdGVzdDAgFw0yNjExMjIwNzM2Mjha
GA8yMTI2MTAyOTA3MzYyOFowHjEcMBoGA1UEAwwTcDJwLWZvdW5kYXRpb24gdGVz
dDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABMO0E6dY5YHdWIFQPjKJiaF+3aXY
sJwm+9rPomKn066vt7rf1MqD/94dspfu/sICB0ujZ1u73qWVWv3pnU7tcFejgYEw
fzAdBgNVHQ4EFgQUuQWt78MWhnLMIKiP4zdxMxC2v+swHwYDVR0jBBgwFoAUuQWt
78MWhnLMIKiP4zdxMxC2v+swDwYDVR0TAQH/BAUwAwEB/zAsBgNVHREEJTAjhwR/
AAABhxAAAAAAAAAAAAAAAAAAAAABgglsb2NhbGhvc3QwCgYIKoZIzj0EAwIDSQAw
RgIhAPi0zWl8KtMTEr83GDqSQNVSi0X2v+/isHehSQfmUoOXAiEAqIPhIf/57Sv3
CsPXvandFvo64J1l1ZlWNMpMccRWGtk=
-----END CERTIFICATE-----
`

const TEST_KEY = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgPcP6Qcj+yhZ05MMs
EcaYaUhnt40aa+SVEdlpzfBm44uhRANCAATDtBOnWOWB3ViBUD4yiYmhft2l2LCc
Jvvaz6Jip9Our7e639TKg//eHbKX7v7CAgdLo2dbu96llVr96Z1O7XBX
-----END PRIVATE KEY-----
`

interface TlsFiles {
  readonly folder: string
  readonly certificateFile: string
  readonly keyFile: string
}

/** Both as files, for as long as the test runs. */
export function tlsFiles(): Disposable & TlsFiles {
  const folder = mkdtempSync(join(tmpdir(), 'p2p-tls-'))
  const certificateFile = join(folder, 'certificate.pem')
  const keyFile = join(folder, 'key.pem')
  writeFileSync(certificateFile, TEST_CERTIFICATE)
  writeFileSync(keyFile, TEST_KEY, { mode: 0o600 })
  return {
    folder,
    certificateFile,
    keyFile,
    [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }),
  }
}
