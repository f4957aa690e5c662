// What a peer sends, written down as the entry it must become.
import { appendFileSync } from 'node:fs';

export function logger(path, side) {
  const half = side === 'client' ? 'request' : 'response';
  const write = (fields) => appendFileSync(path, JSON.stringify(fields) + '\n');
  return {
    data(data, options = {}) {
      const isText = typeof data === 'string' && !options.binary;
      const bytes = Buffer.from(data);
      const fields = { protocol: 'ws', ws_opcode: isText ? 'text' : 'binary', [`ws_${half}`]: true, status: 'ok', incomplete: false, truncated: null, ws_undecoded: null };
      if (options.compressed) fields.ws_compressed = true;
      else { fields.ws_compressed = null; fields[`ws_${half}_payload_length`] = bytes.length; }
      if (isText) fields[`${half}.body`] = data.length ? data : null;
      else if (options.raw) fields[`${half}.body.base64`] = bytes.toString('base64');
      write(fields);
    },
    control(opcode, data = '') {
      write({ ws_opcode: opcode, [`ws_${half}`]: true, [`ws_${half}_payload_length`]: Buffer.byteLength(data), status: 'ok' });
    },
    close(code, reason, status = 'ok') {
      write({ ws_opcode: 'close', [`ws_${half}`]: true, ws_close_code: code ?? null, ws_close_reason: reason || null, status });
    },
  };
}
