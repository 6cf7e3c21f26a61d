meta:
  id: tok
  title: tok picture, version 1
  file-extension: tok
  xref:
    mime: image/x-tok
  license: Apache-2.0
  ks-version: 0.9
  endian: be
  bit-endian: be
doc: |
  A picture as discrete tokens of square tiles; any prefix that holds the header is a file.
  The payload is coded by a range coder over the model's tables, which is more than Kaitai Struct describes: the text
  and a reader in plain Python lie beside this file.
doc-ref: tok-v1.md
seq:
  - id: magic
    contents: [0xf5]
  - id: version
    type: b4
    valid: 1
  - id: reserved_flags
    type: b2
    valid: 0
    doc: A file with one of these needs a newer reader.
  - id: adaptive
    type: b1
    doc: Tiles differ in their number of tokens; the payload begins with a level for each.
  - id: flat
    type: b1
    doc: The payload is coded with equal counts, not with the model's tables.
  - id: model_id
    type: u1
    doc: First byte of the model's hash.
  - id: tokens_less_1
    type: u1
  - id: pitch_code
    type: b4
  - id: width_less_1
    type: b14
    valid:
      max: 16382
  - id: height_less_1
    type: b14
    valid:
      max: 16382
  - id: check
    type: u2
    doc: CRC-16 (polynomial 0x1021, start 0xffff, not reflected) of bytes 0..7, then the 32 bytes of the model's hash.
  - id: payload
    size-eos: true
instances:
  tokens:
    value: tokens_less_1 + 1
    doc: Per tile, 1..256; in an adaptive file of the tiles that have most.
  width:
    value: width_less_1 + 1
    doc: Pixels, 1..16383.
  height:
    value: height_less_1 + 1
    doc: Pixels, 1..16383.
  pitch:
    value: '[0, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024, 1536, 2048][pitch_code]'
    doc: Pixels from tile to tile; 0 is fit, the whole picture as one tile.
  columns:
    value: 'pitch == 0 or 2 * width < pitch ? 1 : (2 * width + pitch) / (2 * pitch)'
    doc: Tiles across.
  rows:
    value: 'pitch == 0 or 2 * height < pitch ? 1 : (2 * height + pitch) / (2 * pitch)'
    doc: Tiles down.
