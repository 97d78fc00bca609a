// Stands in for server.cpp where cpp-httplib was not found when this was built.
#include "apps/live/server.h"
#include "engine/error.h"

namespace voxgrad::apps {

class LiveServer::Impl {};

bool has_live_server() { return false; }
LiveServer::LiveServer(int) {
  throw Error(
      ErrorKind::usage, "this build cannot serve a live page",
      "install libcpp-httplib-dev (Debian, Ubuntu) or cpp-httplib-devel (Fedora) and pkg-config, and build again");
}
LiveServer::~LiveServer() = default;
void LiveServer::start(const std::string&) {}
std::string LiveServer::url() const { return ""; }

}  // namespace voxgrad::apps
