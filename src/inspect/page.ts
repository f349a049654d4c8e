/** The page that shows the charts: Stately's inspector in a frame, fed from the server's WebSocket. */

const INSPECTOR_ORIGIN = "https://stately.ai";
const INSPECTOR_URL = `${INSPECTOR_ORIGIN}/inspect`;

/** Events that came before the inspector in the frame was ready are kept for it. */
export const INSPECTOR_PAGE = `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>Umbra: live charts</title>
<style>
  html, body { height: 100%; margin: 0; font: 14px system-ui, sans-serif; }
  iframe { width: 100%; height: 100%; border: 0; }
  #state { position: fixed; right: 8px; bottom: 8px; padding: 2px 8px; background: #222c; color: #fff; border-radius: 4px; }
</style>
</head>
<body>
<iframe id="inspector" title="Stately inspector" src="${INSPECTOR_URL}"></iframe>
<div id="state">connecting</div>
<script>
  const frame = document.getElementById("inspector");
  const state = document.getElementById("state");
  const waiting = [];
  let isReady = false;
  let count = 0;
  const pass = (event) => frame.contentWindow.postMessage(event, "${INSPECTOR_ORIGIN}");
  addEventListener("message", (event) => {
    if (event.origin !== "${INSPECTOR_ORIGIN}" || event.data?.type !== "@statelyai.connected") return;
    isReady = true;
    waiting.splice(0).forEach(pass);
  });
  const socket = new WebSocket("ws://" + location.host);
  socket.onmessage = ({ data }) => {
    const event = JSON.parse(data);
    if (isReady) pass(event);
    else waiting.push(event);
    state.textContent = ++count + " events";
  };
  socket.onclose = () => { state.textContent = "the machine is gone (" + count + " events)"; };
</script>
</body>
</html>
`;
