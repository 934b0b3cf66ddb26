// Owns the door through which the tests ask the real extension host: they send a function's body
// over loopback HTTP and get what it returns. Only for tests: whoever reaches the port is obeyed.
const http = require("node:http");
const vscode = require("vscode");

const AsyncFunction = async function () {}.constructor;

exports.activate = (context) => {
    const server = http.createServer((request, response) => {
        const chunks = [];
        request.on("data", (chunk) => chunks.push(chunk));
        request.on("end", async () => {
            const answer = await new AsyncFunction("vscode", Buffer.concat(chunks).toString())(vscode).then(
                (value) => ({ value: value ?? null }),
                (error) => ({ error: String(error?.stack ?? error) }),
            );
            response.end(JSON.stringify(answer));
        });
    });
    server.listen(Number(process.env.BRIDGE_PORT), "127.0.0.1");
    context.subscriptions.push({ dispose: () => server.close() });
};
