#include <charconv>

#include "apps/live/server.h"
#include "engine/error.h"

namespace voxgrad::apps {

int live_port(const std::string& flag, const std::string& value) {
  if (value.empty()) return kLivePort;
  int port = -1;
  const auto [end, code] = std::from_chars(value.data(), value.data() + value.size(), port);
  if (code == std::errc{} && end == value.data() + value.size() && port >= 0 && port <= 65535) return port;
  throw Error(ErrorKind::usage, flag + " " + value + ": not a port from 0 to 65535",
              "write " + flag + " after the files, or with a port: " + flag + " 8008; 0: any that is free");
}

}  // namespace voxgrad::apps
