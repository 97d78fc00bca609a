// Serves the live page of a run or of a comparison on this machine alone: it listens on 127.0.0.1, answers GET for a
// few fixed paths, and only if the browser asks for this machine by name, so that no page of another site can read it.
#pragma once

#include <memory>
#include <string>

namespace voxgrad::apps {

inline constexpr int kLivePort = 8008;

class LiveServer {
 public:
  // Takes the port; 0: any that is free. Nothing is answered yet, and there is no thread. Throws Error(usage) if the
  // port is in use, or if this program was built without a server.
  explicit LiveServer(int port);
  // Shows this directory from now on, in threads of its own.
  void start(const std::string& directory);
  ~LiveServer();  // ends them; after three seconds also those whose browser does not finish its request
  LiveServer(const LiveServer&) = delete;
  LiveServer& operator=(const LiveServer&) = delete;
  std::string url() const;  // "http://127.0.0.1:8008/"

 private:
  class Impl;
  std::shared_ptr<Impl> impl_;
};

// True if this program was built with a server.
bool has_live_server();
// Reads the value of --watch or --port: a number, or nothing, which means kLivePort. Throws Error(usage) for another.
int live_port(const std::string& flag, const std::string& value);

}  // namespace voxgrad::apps
