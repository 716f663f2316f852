/** Server-sent events, read from a fetch: EventSource can neither POST nor send a token. */

/**
 * Yield each event of a `text/event-stream` body as `{name, data}`, its data parsed as JSON.
 * Ends when the body does; an event that the body breaks off in is dropped.
 */
export async function* readEvents(body) {
  let name = "message";
  let data = [];
  for await (const line of lines(body)) {
    if (line === "") {
      if (data.length) yield { name, data: JSON.parse(data.join("\n")) };
      name = "message";
      data = [];
    } else if (line.startsWith("event:")) {
      name = line.slice("event:".length).trim();
    } else if (line.startsWith("data:")) {
      data.push(line.slice("data:".length).trimStart());
    }
  }
}

/**
 * Yield the lines of a UTF-8 body. A result is one line of many megabytes that comes in small
 * chunks: its pieces are joined once, since looking for its end again and again would take minutes.
 */
async function* lines(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let pieces = [];
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const parts = value.split("\n");
    for (const part of parts.slice(0, -1)) {
      yield [...pieces, part].join("").replace(/\r$/, "");
      pieces = [];
    }
    pieces.push(parts.at(-1));
  }
}
