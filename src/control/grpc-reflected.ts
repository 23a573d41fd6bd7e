/**
 * Our files as reflection tells them. The loader forgets which file needs which and describes maps
 * wrongly, and clients that read descriptors with care refuse both. So files of others are told as
 * protoc describes them, and ours as needing them: in the wire format one more element of a list
 * is more bytes at the end.
 */

import type { PackageDefinition } from '@grpc/proto-loader'

const STRUCT = 'google/protobuf/struct.proto'
const OURS = 'p2p_foundation.proto'
/** What the loader calls the files that are told as they are below. */
const LOADED_STRUCT = 'google_protobuf.proto'
const LOADED_HEALTH = 'grpc_health_v1.proto'
/** `name` and `dependency` of FileDescriptorProto, each a field of text. */
const NAME = 1
const DEPENDENCY = 3

/** FileDescriptorProto of that file, by protoc 3.21, without its options for other languages. */
const STRUCT_FILE = Buffer.from(
  'Chxnb29nbGUvcHJvdG9idWYvc3RydWN0LnByb3RvEg9nb29nbGUucHJvdG9idWYimAEKBlN0cnVjdBI7' +
    'CgZmaWVsZHMYASADKAsyIy5nb29nbGUucHJvdG9idWYuU3RydWN0LkZpZWxkc0VudHJ5UgZmaWVsZHMa' +
    'UQoLRmllbGRzRW50cnkSEAoDa2V5GAEgASgJUgNrZXkSLAoFdmFsdWUYAiABKAsyFi5nb29nbGUucHJv' +
    'dG9idWYuVmFsdWVSBXZhbHVlOgI4ASKyAgoFVmFsdWUSOwoKbnVsbF92YWx1ZRgBIAEoDjIaLmdvb2ds' +
    'ZS5wcm90b2J1Zi5OdWxsVmFsdWVIAFIJbnVsbFZhbHVlEiMKDG51bWJlcl92YWx1ZRgCIAEoAUgAUgtu' +
    'dW1iZXJWYWx1ZRIjCgxzdHJpbmdfdmFsdWUYAyABKAlIAFILc3RyaW5nVmFsdWUSHwoKYm9vbF92YWx1' +
    'ZRgEIAEoCEgAUglib29sVmFsdWUSPAoMc3RydWN0X3ZhbHVlGAUgASgLMhcuZ29vZ2xlLnByb3RvYnVm' +
    'LlN0cnVjdEgAUgtzdHJ1Y3RWYWx1ZRI7CgpsaXN0X3ZhbHVlGAYgASgLMhouZ29vZ2xlLnByb3RvYnVm' +
    'Lkxpc3RWYWx1ZUgAUglsaXN0VmFsdWVCBgoEa2luZCI7CglMaXN0VmFsdWUSLgoGdmFsdWVzGAEgAygL' +
    'MhYuZ29vZ2xlLnByb3RvYnVmLlZhbHVlUgZ2YWx1ZXMqGwoJTnVsbFZhbHVlEg4KCk5VTExfVkFMVUUQ' +
    'AGIGcHJvdG8z',
  'base64',
)

/** The same of `health/v1/health.proto`, whose map the loader describes wrongly. */
const HEALTH_FILE = Buffer.from(
  'ChZoZWFsdGgvdjEvaGVhbHRoLnByb3RvEg5ncnBjLmhlYWx0aC52MSITChFIZWFsdGhMaXN0UmVxdWVz' +
    'dCLEAQoSSGVhbHRoTGlzdFJlc3BvbnNlEkwKCHN0YXR1c2VzGAEgAygLMjAuZ3JwYy5oZWFsdGgudjEu' +
    'SGVhbHRoTGlzdFJlc3BvbnNlLlN0YXR1c2VzRW50cnlSCHN0YXR1c2VzGmAKDVN0YXR1c2VzRW50cnkS' +
    'EAoDa2V5GAEgASgJUgNrZXkSOQoFdmFsdWUYAiABKAsyIy5ncnBjLmhlYWx0aC52MS5IZWFsdGhDaGVj' +
    'a1Jlc3BvbnNlUgV2YWx1ZToCOAEiLgoSSGVhbHRoQ2hlY2tSZXF1ZXN0EhgKB3NlcnZpY2UYASABKAlS' +
    'B3NlcnZpY2UisQEKE0hlYWx0aENoZWNrUmVzcG9uc2USSQoGc3RhdHVzGAEgASgOMjEuZ3JwYy5oZWFs' +
    'dGgudjEuSGVhbHRoQ2hlY2tSZXNwb25zZS5TZXJ2aW5nU3RhdHVzUgZzdGF0dXMiTwoNU2VydmluZ1N0' +
    'YXR1cxILCgdVTktOT1dOEAASCwoHU0VSVklORxABEg8KC05PVF9TRVJWSU5HEAISEwoPU0VSVklDRV9V' +
    'TktOT1dOEAMy/QEKBkhlYWx0aBJQCgVDaGVjaxIiLmdycGMuaGVhbHRoLnYxLkhlYWx0aENoZWNrUmVx' +
    'dWVzdBojLmdycGMuaGVhbHRoLnYxLkhlYWx0aENoZWNrUmVzcG9uc2USUgoFV2F0Y2gSIi5ncnBjLmhl' +
    'YWx0aC52MS5IZWFsdGhDaGVja1JlcXVlc3QaIy5ncnBjLmhlYWx0aC52MS5IZWFsdGhDaGVja1Jlc3Bv' +
    'bnNlMAESTQoETGlzdBIhLmdycGMuaGVhbHRoLnYxLkhlYWx0aExpc3RSZXF1ZXN0GiIuZ3JwYy5oZWFs' +
    'dGgudjEuSGVhbHRoTGlzdFJlc3BvbnNlYgZwcm90bzM=',
  'base64',
)

/** The same definitions, their descriptors as they should be. */
export function reflected(known: PackageDefinition): PackageDefinition {
  const entries = Object.entries(known).map(([name, definition]) => {
    if (!('fileDescriptorProtos' in definition)) return [name, definition] as const
    const { fileDescriptorProtos: files } = definition
    if (!Array.isArray(files)) return [name, definition] as const
    return [name, { ...definition, fileDescriptorProtos: files.map(mended) }] as const
  })
  return Object.fromEntries(entries) as PackageDefinition
}

function mended(file: Buffer): Buffer {
  if (isNamed(file, LOADED_STRUCT)) return STRUCT_FILE
  if (isNamed(file, LOADED_HEALTH)) return HEALTH_FILE
  return isNamed(file, OURS) ? Buffer.concat([file, textField(DEPENDENCY, STRUCT)]) : file
}

function isNamed(file: Buffer, name: string): boolean {
  const start = textField(NAME, name)
  return file.subarray(0, start.length).equals(start)
}

/** Texts here are shorter than 128 bytes, so that one byte says how long. */
function textField(field: number, text: string): Buffer {
  return Buffer.concat([Buffer.of((field << 3) | 2, text.length), Buffer.from(text)])
}
