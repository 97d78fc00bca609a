#include "apps/live/server.h"

#include <httplib.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include "apps/live/page.h"
#include "apps/live/state.h"
#include "apps/report/run_record.h"
#include "apps/training/run_directory.h"
#include "engine/error.h"

namespace voxgrad::apps {
namespace {

constexpr const char* kAddress = "127.0.0.1";
constexpr std::chrono::milliseconds kFresh{900};  // the files are read once for all who look within this time
constexpr std::chrono::seconds kLongestEnd{3};    // longer than a request should take
constexpr int kMostAtOnce = 32;                   // connections; the next one waits

// With the option that the library sets otherwise, two programs could take the same port.
void reuse_address(socket_t socket) {
  const int yes = 1;
  ::setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
}

// The name of a directory, also of `runs/all/` and of `.`.
std::string name_of(const std::string& directory) {
  std::error_code ignored;
  const std::filesystem::path whole = std::filesystem::weakly_canonical(directory, ignored);
  return whole.has_filename() ? whole.filename().string() : whole.parent_path().filename().string();
}

bool is_this_machine(const std::string& host) {
  const std::string name = host.substr(0, host.find(':'));
  return name == kAddress || name == "localhost";
}

httplib::Headers headers() {
  return {{"Content-Security-Policy",
           "default-src 'none'; img-src 'self'; connect-src 'self'; style-src 'unsafe-inline'; "
           "script-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"},
          {"X-Content-Type-Options", "nosniff"},
          {"Cross-Origin-Resource-Policy", "same-origin"},
          {"Referrer-Policy", "no-referrer"},
          {"Cache-Control", "no-store"}};
}

// Answers each connection in a thread of its own, so that slow ones keep nobody waiting. The library's pool of threads
// ends the program where a thread cannot be made; here the connection is answered by the thread that accepts them.
// Nothing that goes wrong in an answer reaches the training.
class ThreadPerConnection final : public httplib::TaskQueue {
  using Queued = decltype(std::declval<httplib::TaskQueue>().enqueue({}));  // bool in newer versions

 public:
  Queued enqueue(std::function<void()> answer) override {
    std::unique_lock lock(mutex_);
    ended_.wait(lock, [this] { return running_ < kMostAtOnce; });
    ++running_;
    lock.unlock();
    const auto work = [this, answer = std::move(answer)] {
      try {
        answer();
      } catch (const std::exception&) {  // no memory: the browser asks again
      }
      const std::lock_guard done(mutex_);
      --running_;
      ended_.notify_all();
    };
    try {
      std::thread(work).detach();
    } catch (const std::exception&) {  // no thread, or no memory for one
      work();
    }
    return static_cast<Queued>(true);
  }
  void shutdown() override {
    std::unique_lock lock(mutex_);
    ended_.wait(lock, [this] { return running_ == 0; });
  }

 private:
  std::mutex mutex_;  // of what follows
  std::condition_variable ended_;
  int running_ = 0;
};

// What is served: the page, its parts as JSON, and where the pictures are.
struct Look {
  std::string html, json;
  std::map<std::string, std::string> pictures;  // path of a URL: file
};

}  // namespace

class LiveServer::Impl {
 public:
  explicit Impl(int port) {
    server_.set_socket_options(reuse_address);
    // Browsers open connections on which they say nothing for a while: they may not hold a thread for long.
    server_.set_keep_alive_max_count(1);
    server_.set_keep_alive_timeout(1);
    server_.set_read_timeout(2);
    server_.set_payload_max_length(0);
    server_.set_default_headers(headers());
    server_.new_task_queue = [] { return new ThreadPerConnection; };
    server_.set_pre_routing_handler([](const httplib::Request& request, httplib::Response& response) {
      response.status = !is_this_machine(request.get_header_value("Host")) ? 403 : request.method != "GET" ? 405 : 0;
      if (response.status == 0) {
        response.status = -1;
        return httplib::Server::HandlerResponse::Unhandled;
      }
      return httplib::Server::HandlerResponse::Handled;
    });
    server_.Get("/", [this](const httplib::Request&, httplib::Response& response) {
      response.set_content(look().html, "text/html; charset=utf-8");
    });
    server_.Get("/state.json", [this](const httplib::Request&, httplib::Response& response) {
      response.set_content(look().json, "application/json");
    });
    for (std::size_t i = 0; i < kMostShownCases; ++i)
      for (std::size_t k = 0; k < kPictureNames.size(); ++k) {
        const std::string path = text("/picture/", i, "/", k, ".png");
        server_.Get(
            path, [this, path](const httplib::Request&, httplib::Response& response) { send_picture(path, response); });
      }
    port_ = port == 0 ? server_.bind_to_any_port(kAddress) : server_.bind_to_port(kAddress, port) ? port : -1;
    if (port_ < 0)
      throw Error(ErrorKind::usage, text("the live page: port ", port, " of this machine is in use or not allowed"),
                  "give another port, or 0 for any that is free");
  }
  // The thread holds `self` as long as it answers.
  void start(const std::shared_ptr<Impl>& self, const std::string& directory) {
    directory_ = directory;
    comparison_ = LiveComparisonReader(directory);
    thread_ = std::thread([self] {
      try {
        self->server_.listen_after_bind();
      } catch (const std::exception&) {  // no memory: the training goes on without its page
      }
      self->ended_ = true;
    });
    while (!server_.is_running() && !ended_) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  // A browser may keep its request unfinished for as long as it likes. Nobody waits for it longer than kLongestEnd.
  void end() {
    if (!thread_.joinable()) return;
    server_.stop();
    const auto start = std::chrono::steady_clock::now();
    while (!ended_ && std::chrono::steady_clock::now() - start < kLongestEnd)
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    if (ended_)
      thread_.join();
    else
      thread_.detach();
  }
  int port() const { return port_; }

 private:
  // The newest look at the files. The copy is the caller's.
  Look look() {
    const std::lock_guard lock(mutex_);
    const auto now = std::chrono::steady_clock::now();
    if (look_ && now - looked_ < kFresh) return *look_;
    Look fresh;
    Json json;
    LivePage page;
    try {
      if (is_run(directory_)) {
        const LiveRun run = read_live_run(directory_);
        page = page_of(run);
        json = to_json(run);
        for (std::size_t i = 0; i < run.pictures.size(); ++i)
          for (std::size_t k = 0; k < run.pictures[i].files.size(); ++k)
            fresh.pictures[text("/picture/", i, "/", k, ".png")] = run.pictures[i].files[k].second;
      } else if (is_comparison(directory_)) {
        const LiveComparison comparison = comparison_.read();
        page = page_of(comparison, name_of(directory_));
        json = to_json(comparison);
      } else {
        page = page_of_failure("The training has not begun yet.");
      }
    } catch (const std::exception& error) {  // a file is damaged, or was replaced at this moment
      page = page_of_failure(error.what());
    }
    json["title"] = page.title;
    for (const auto& [id, html] : page.parts) json["parts"][id] = html;
    fresh.html = html_of(page);
    fresh.json = dumped(json);
    look_ = std::move(fresh);
    looked_ = std::chrono::steady_clock::now();  // reading may have taken long
    return *look_;
  }

  void send_picture(const std::string& path, httplib::Response& response) {
    const Look now = look();
    const auto file = now.pictures.find(path);
    response.status = 404;
    if (file == now.pictures.end()) return;
    try {
      response.set_content(read_text(file->second), "image/png");
      response.status = 200;
    } catch (const Error&) {  // it was there a moment ago
    }
  }

  std::string directory_;
  int port_ = -1;
  httplib::Server server_;
  std::mutex mutex_;  // of what follows
  LiveComparisonReader comparison_{""};
  std::optional<Look> look_;
  std::chrono::steady_clock::time_point looked_;
  std::atomic<bool> ended_{false};
  std::thread thread_;
};

bool has_live_server() { return true; }
LiveServer::LiveServer(int port) : impl_(std::make_shared<Impl>(port)) {}
LiveServer::~LiveServer() { impl_->end(); }
void LiveServer::start(const std::string& directory) { impl_->start(impl_, directory); }
std::string LiveServer::url() const { return text("http://", kAddress, ":", impl_->port(), "/"); }

}  // namespace voxgrad::apps
