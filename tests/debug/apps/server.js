// A web server that computes sums.
const http = require("http");

function work(n) {
  let total = 0;
  for (let i = 1; i <= n; i++) {
    total += i * i; // break here
  }
  return total;
}

const server = http.createServer((request, response) => {
  if (request.url === "/health") {
    response.end("ok");
  } else {
    const n = Number(request.url.split("/").pop());
    response.end("total=" + work(n));
  }
});
server.listen(0, "127.0.0.1", () => console.log(server.address().port));
