// What a program with node's ssh2 does with one connection; writes what it saw as JSON. Its argument says where, as JSON.
"use strict";

const fs = require("fs");
const { Client } = require("ssh2");

const side = JSON.parse(process.argv[2]);

const promised = (call) => new Promise((resolve, reject) => call((error, value) => (error ? reject(error) : resolve(value))));

function heard(stream) {
  return new Promise((resolve) => {
    const said = { stdout: [], stderr: [] };
    stream.on("data", (piece) => said.stdout.push(piece));
    stream.stderr.on("data", (piece) => said.stderr.push(piece));
    stream.on("exit", (status, signal) => Object.assign(said, { status, signal }));
    stream.on("close", () =>
      resolve({ ...said, stdout: base64(said.stdout), stderr: base64(said.stderr) }),
    );
  });
}

const base64 = (pieces) => Buffer.concat(pieces).toString("base64");

// Listens before it returns to the loop: the end of a short command may have come in one piece with its beginning.
function run(client, command, data) {
  return new Promise((resolve, reject) =>
    client.exec(command, (error, stream) => {
      if (error) return reject(error);
      resolve(heard(stream));
      stream.end(data);
    }),
  );
}

async function copies(client) {
  const sftp = await promised((done) => client.sftp(done));
  await promised((done) => sftp.fastPut("data.bin", "put.bin", done));
  await promised((done) => sftp.fastGet("remote.bin", "got.bin", done));
  await promised((done) => sftp.rename("put.bin", "renamed.bin", done));
  const names = await promised((done) => sftp.readdir("folder", done));
  sftp.end();
  return names.map((entry) => entry.filename).sort();
}

async function shell(client) {
  const window = { term: "vt100", cols: 100, rows: 30, modes: { VERASE: 8 } };
  const stream = await promised((done) => client.shell(window, { env: { LC_PAPER: "a4" } }, done));
  stream.setWindow(25, 90, 0, 0);
  stream.write(side.typed);
  let output = "";
  stream.on("data", function wait(piece) {
    output += piece;
    if (output.includes(side.ended)) {
      stream.removeListener("data", wait);
      stream.setWindow(20, 70, 0, 0);
      stream.write("\n");
    }
  });
  return heard(stream);
}

const SCRIPTS = {
  put: (client) => run(client, "cat > put.bin; echo noise >&2; exit 3", fs.readFileSync("data.bin")),
  get: (client) => run(client, "cat remote.bin; kill -TERM $$"),
  empty: (client) => run(client, ""),
  copies,
  shell,
};

async function main() {
  const client = new Client();
  await new Promise((resolve, reject) => {
    client.on("ready", resolve).on("error", reject);
    client.connect({ host: side.host, port: side.port, username: side.account, privateKey: fs.readFileSync(side.key) });
  });
  const seen = {};
  try {
    for (const one of side.scripts) seen[one] = await SCRIPTS[one](client);
  } finally {
    fs.writeFileSync(side.seen, JSON.stringify(seen));
    client.end();
  }
}

main().catch((error) => {
  console.error(error.message);
  process.exitCode = 1;
});
