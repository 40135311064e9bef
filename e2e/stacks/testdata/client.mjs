// A TLS client for programs that run JavaScript, each with the TLS of its own: client.mjs PORT CA.crt [IDENTITY.crt IDENTITY.key].
import { readFileSync } from "node:fs";
import { connect } from "node:tls";

const [port, authority, certificate, key] = process.argv.slice(2);
const options = { host: "127.0.0.1", port: Number(port), servername: "localhost", ca: readFileSync(authority), ALPNProtocols: ["http/1.1"] };
if (certificate) {
  options.cert = readFileSync(certificate);
  options.key = readFileSync(key);
}
const socket = connect(options, () => socket.write("GET / HTTP/1.0\r\nHost: localhost\r\n\r\n"));
socket.on("data", (data) => process.stdout.write(data));
socket.on("error", (error) => console.error(error.code, error.message));
socket.on("close", () => process.exit(0));
