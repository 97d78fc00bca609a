// The server of the live page answers this machine alone, GET alone, and a few fixed paths.
#include "apps/live/server.h"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <memory>
#include <thread>

#include "apps/program/json.h"
#include "tests/apps/support.h"

using namespace voxgrad;
using namespace voxgrad::test;
using namespace voxgrad::apps;

namespace {

int port_of(const std::string& url) { return std::stoi(url.substr(url.rfind(':') + 1)); }

int connected(int port) {
  const int socket = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  ::inet_pton(AF_INET, "127.0.0.1", &address.sin_addr);
  REQUIRE(::connect(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
  return socket;
}

// Sends a request as it is, and returns the whole answer.
std::string ask(int port, const std::string& request) {
  const int socket = connected(port);
  REQUIRE(::send(socket, request.data(), request.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(request.size()));
  std::string answer;
  char buffer[4096];
  for (ssize_t count = 0; (count = ::recv(socket, buffer, sizeof buffer, 0)) > 0;)
    answer.append(buffer, static_cast<std::size_t>(count));
  ::close(socket);
  return answer;
}

std::string get(int port, const std::string& path, const std::string& host = "localhost") {
  return ask(port, "GET " + path + " HTTP/1.1\r\nHost: " + host + "\r\nConnection: close\r\n\r\n");
}

int status_of(const std::string& answer) {
  REQUIRE(answer.starts_with("HTTP/1.1 "));
  return std::stoi(answer.substr(9));
}

}  // namespace

TEST_CASE("the ports that people write") {
  CHECK(live_port("--watch", "") == kLivePort);
  CHECK(live_port("--watch", "0") == 0);
  CHECK(live_port("--watch", "65535") == 65535);
  for (const char* wrong : {"-1", "65536", "80a", "data.h5", " 80"}) {
    const std::string error = error_of([&] { live_port("--watch", wrong); });
    CHECK(contains(error, "after the files"));
  }
}

TEST_CASE("without the library the error says what to install") {
  if (has_live_server()) return;
  const std::string error = error_of([] { LiveServer(0); });
  CHECK(contains(error, "libcpp-httplib-dev"));
}

TEST_CASE("pages, pictures and state of a run; all else is refused") {
  if (!has_live_server()) return;
  const Folder folder;
  const std::string data = phantom_file(folder, "nuclei2d", 6, {32, 32}), run = folder.file("run");
  LiveServer server(0);
  server.start(run);
  const int port = port_of(server.url());
  CHECK(server.url() == text("http://127.0.0.1:", port, "/"));
  const std::string before = get(port, "/");  // of a run that has not begun
  CHECK(status_of(before) == 200);
  CHECK(contains(before, "has not begun"));
  REQUIRE(program(small_training(data, run, {"--watch", "0"})).code == 0);
  ::usleep(1'000'000);  // the files are read once a second

  const std::string page = get(port, "/");
  CHECK(status_of(page) == 200);
  CHECK(contains(page, "<h1>nuclei2d with dice_ce</h1>"));
  for (const char* header : {"Content-Security-Policy: default-src 'none'", "X-Content-Type-Options: nosniff",
                             "Cache-Control: no-store", "Connection: close"})
    CHECK_MESSAGE(contains(page, header), header);
  const std::string state = get(port, "/state.json?again=1", text("127.0.0.1:", port));
  CHECK(status_of(state) == 200);
  const Json json = Json::parse(state.substr(state.find("\r\n\r\n") + 4));
  CHECK(json.at("title") == "nuclei2d with dice_ce");
  CHECK(json.at("step") == 44);
  for (const auto& [id, html] : json.at("parts").items()) {
    CHECK(contains(page, "<div id=\"" + id + "\">"));
    CHECK(contains(page, html.get<std::string>()));
  }
  const std::string picture = get(port, "/picture/0/3.png?step=44");
  CHECK(status_of(picture) == 200);
  CHECK(contains(picture, "Content-Type: image/png"));
  CHECK(contains(picture, "\r\n\r\n\x89PNG"));

  for (const char* path :
       {"/run.json", "/../run.json", "/picture/3/0.png", "/picture/0/4.png", "/picture/0/..%2f..%2frun.json",
        "/live/state.json", "//etc/passwd", "/%2e%2e/run.json", "/x"})
    CHECK_MESSAGE(status_of(get(port, path)) == 404, path);
  for (const char* host : {"evil.example", "127.0.0.1.evil.example", "localhost.evil.example:8008", "192.168.0.1", ""})
    CHECK_MESSAGE(status_of(get(port, "/", host)) == 403, host);
  CHECK(!contains(get(port, "/state.json", "evil.example"), "nuclei2d"));
  CHECK(status_of(ask(port, "GET / HTTP/1.1\r\nConnection: close\r\n\r\n")) == 403);  // no host at all
  for (const char* method : {"POST", "PUT", "DELETE", "PATCH", "OPTIONS", "HEAD"})
    CHECK_MESSAGE(status_of(ask(port, text(method,
                                           " / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n"
                                           "Connection: close\r\n\r\n"))) == 405,
                  method);
  CHECK(status_of(get(port, "/" + std::string(20'000, 'a'))) >= 400);
  CHECK(status_of(get(port, "/")) == 200);  // and it is still there
}

TEST_CASE("connections that say nothing more keep nobody waiting") {
  if (!has_live_server()) return;
  const Folder folder;
  LiveServer server(0);
  server.start(folder.file("run"));
  const int port = port_of(server.url());
  std::vector<int> silent;
  // More than a pool of some threads has. The system itself lets one that comes too quickly wait for a second.
  for (int i = 0; i < 30; ++i) {
    silent.push_back(connected(port));
    REQUIRE(::send(silent.back(), "GET", 3, MSG_NOSIGNAL) == 3);  // and then nothing
  }
  ::usleep(200'000);
  const auto start = std::chrono::steady_clock::now();
  CHECK(status_of(get(port, "/")) == 200);
  CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds(2));
  for (const int socket : silent) ::close(socket);
}

TEST_CASE("a request that never ends does not keep the program from ending") {
  if (!has_live_server()) return;
  const Folder folder;
  auto server = std::make_unique<LiveServer>(0);
  server->start(folder.file("run"));
  const int socket = connected(port_of(server->url()));
  std::atomic<bool> over{false};
  std::thread slow([&] {
    const std::string request = "GET / HTTP/1.1\r\nX: ";
    for (std::size_t i = 0; !over; ++i) {
      ::send(socket, i < request.size() ? &request[i] : "x", 1, MSG_NOSIGNAL);
      ::usleep(i < request.size() ? 0 : 100'000);
    }
  });
  ::usleep(300'000);
  const auto start = std::chrono::steady_clock::now();
  server.reset();
  CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds(6));
  over = true;
  slow.join();
  ::close(socket);
}

TEST_CASE("a port in use is an error with a remedy") {
  if (!has_live_server()) return;
  const Folder folder;
  LiveServer first(0);
  const int port = port_of(first.url());
  for (int i = 0; i < 2; ++i) {
    const std::string error = error_of([&] { LiveServer{port}; });
    CHECK(contains(error, text("port ", port)));
    CHECK(contains(error, "another port"));
    if (i == 0) first.start(folder.file("run"));
  }
  const std::string data = phantom_file(folder, "nuclei2d", 6, {32, 32}), run = folder.file("run");
  const Outcome refused = program(small_training(data, run, {"--watch", std::to_string(port)}));
  CHECK(refused.code == 2);
  CHECK(contains(refused.err, "in use"));
  CHECK(!std::filesystem::exists(run));  // nothing is left that would refuse the next try
  REQUIRE(program(small_training(data, run, {"--watch", "0"})).code == 0);
  CHECK(program({"train", "--resume", run, "--watch", std::to_string(port)}).code == 2);
  CHECK(std::filesystem::exists(run + "/live/state.json"));
}

TEST_CASE("watch shows a run until Ctrl-C, and refuses what is none") {
  if (!has_live_server()) return;
  const Folder folder;
  const std::string data = phantom_file(folder, "nuclei2d", 6, {32, 32}), run = folder.file("run");
  REQUIRE(program(small_training(data, run)).code == 0);
  for (const int signal : {SIGINT, SIGTERM}) {
    Running watch({"watch", run, "--port", "0"});
    REQUIRE(watch.saw("Ctrl-C"));
    watch.send(signal);
    const Outcome outcome = watch.wait();
    CHECK(outcome.code == 128 + signal);
    CHECK(outcome.out.starts_with("http://127.0.0.1:"));
  }
  const Outcome nothing = program({"watch", folder.file("nothing")});
  CHECK(nothing.code == 5);
  CHECK(contains(nothing.err, "no run and no comparison"));
  CHECK(program({"watch", run, "--port", "x"}).code == 2);
}
