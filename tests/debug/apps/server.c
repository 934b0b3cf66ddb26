/* A web server that computes sums: a thread for each request. */
#include <arpa/inet.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int work(int n) {
  int total = 0;
  for (int i = 1; i <= n; i++) {
    total += i * i; /* break here */
  }
  return total;
}

static void *serve(void *argument) {
  int client = (int)(long)argument;
  char request[1024] = {0}, text[64] = "ok", answer[256];
  size_t len_read = 0;
  ssize_t got;
  while (!strstr(request, "\r\n\r\n") && len_read < sizeof request - 1 &&
         (got = read(client, request + len_read, sizeof request - 1 - len_read)) > 0)
    len_read += got;
  if (len_read > 0) {
    char *n = strstr(request, "/work/");
    if (n)
      snprintf(text, sizeof text, "total=%d", work(atoi(n + 6)));
    int len = snprintf(answer, sizeof answer, "HTTP/1.0 200 OK\r\n\r\n%s", text);
    if (write(client, answer, len) < 0)
      perror("write");
  }
  close(client);
  return NULL;
}

int main(void) {
  struct sockaddr_in address = {.sin_family = AF_INET,
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t len = sizeof address;
  int listener = socket(AF_INET, SOCK_STREAM, 0);
  if (bind(listener, (struct sockaddr *)&address, len) || listen(listener, 64))
    return 1;
  getsockname(listener, (struct sockaddr *)&address, &len);
  printf("%d\n", ntohs(address.sin_port));
  fflush(stdout);
  for (;;) {
    int client = accept(listener, NULL, NULL);
    pthread_t thread;
    if (client >= 0 && !pthread_create(&thread, NULL, serve, (void *)(long)client))
      pthread_detach(thread);
  }
}
