/** An encoder for 8-bit grey PNG, row by row: phones refuse canvases of the size of their own photographs. */

const SIGNATURE = Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a);
const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, index) => {
  let value = index;
  for (let bit = 0; bit < 8; bit += 1) value = value & 1 ? 0xedb88320 ^ (value >>> 1) : value >>> 1;
  return value;
});

/**
 * @param {number} width
 * @param {number} height
 * @param {Iterable<Uint8Array>} bands whole rows, top to bottom, each row led by its filter type (0: as it is)
 * @returns {Promise<Blob>}
 */
export async function greyPng(width, height, bands) {
  const { readable, writable } = new CompressionStream("deflate"); // zlib's format, which is PNG's
  const compressed = new Response(readable).arrayBuffer();
  const writer = writable.getWriter();
  for (const band of bands) await writer.write(band);
  await writer.close();
  const parts = [
    SIGNATURE,
    chunk("IHDR", header(width, height)),
    chunk("IDAT", new Uint8Array(await compressed)),
    chunk("IEND", new Uint8Array(0)),
  ];
  return new Blob(parts, { type: "image/png" });
}

function header(width, height) {
  const bytes = new Uint8Array(13);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, width);
  view.setUint32(4, height);
  view.setUint8(8, 8); // bits a pixel; what follows is 0: grey, deflate, adaptive filters, not interlaced
  return bytes;
}

function chunk(type, data) {
  const bytes = new Uint8Array(data.length + 12);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, data.length);
  bytes.set(new TextEncoder().encode(type), 4);
  bytes.set(data, 8);
  view.setUint32(data.length + 8, crc(bytes.subarray(4, data.length + 8)));
  return bytes;
}

function crc(bytes) {
  let value = 0xffffffff;
  for (const byte of bytes) value = CRC_TABLE[(value ^ byte) & 0xff] ^ (value >>> 8);
  return ~value >>> 0;
}
