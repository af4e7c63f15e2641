// PostgreSQL's names for what a dump may be written in, and the names that TextDecoder knows them by.
const LABELS: Readonly<Record<string, string>> = {
  LATIN2: "iso-8859-2",
  LATIN3: "iso-8859-3",
  LATIN4: "iso-8859-4",
  LATIN6: "iso-8859-10",
  LATIN7: "iso-8859-13",
  LATIN8: "iso-8859-14",
  LATIN9: "iso-8859-15",
  LATIN10: "iso-8859-16",
  ISO_8859_5: "iso-8859-5",
  ISO_8859_6: "iso-8859-6",
  ISO_8859_7: "iso-8859-7",
  ISO_8859_8: "iso-8859-8",
  KOI8R: "koi8-r",
  KOI8U: "koi8-u",
  WIN866: "ibm866",
  WIN874: "windows-874",
  WIN1250: "windows-1250",
  WIN1251: "windows-1251",
  WIN1252: "windows-1252",
  WIN1253: "windows-1253",
  WIN1254: "windows-1254",
  WIN1255: "windows-1255",
  WIN1256: "windows-1256",
  WIN1257: "windows-1257",
  WIN1258: "windows-1258",
  EUC_JP: "euc-jp",
  EUC_KR: "euc-kr",
  EUC_CN: "gbk",
  SJIS: "shift_jis",
  BIG5: "big5",
  GBK: "gbk",
  GB18030: "gb18030",
};

/**
 * Makes text of bytes that a dump holds under `SET client_encoding`. Where the encoding is unknown, and for SQL_ASCII,
 * which is none, the bytes are taken for UTF-8.
 */
export function textDecoder(encoding: string): (bytes: Buffer) => string {
  const name = encoding.toUpperCase();
  // To TextDecoder latin1 is windows-1252, which differs.
  if (name === "LATIN1") return (bytes) => bytes.toString("latin1");
  const decoder = new TextDecoder(LABELS[name] ?? "utf-8");
  return (bytes) => decoder.decode(bytes);
}
