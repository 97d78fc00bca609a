// `voxgrad watch` shows the run or the comparison in a directory as a live page, whether another process works there or
// all is done. It prints the address and serves the page until Ctrl-C.
#include <poll.h>

#include "apps/live/server.h"
#include "apps/live/state.h"
#include "apps/program/signals.h"
#include "apps/report/run_record.h"
#include "apps/verbs/verbs.h"
#include "engine/error.h"

namespace voxgrad::apps {
namespace {

struct WatchOptions {
  std::string directory, port;
};

void watch(const WatchOptions& options, const Common& common) {
  const int port = live_port("--port", options.port);
  if (!is_run(options.directory) && !is_comparison(options.directory))
    throw Error(ErrorKind::io, "no run and no comparison in " + options.directory,
                "give what `train` or `compare` was given as -o");
  const SignalGuard guard;
  LiveServer server(port);
  server.start(options.directory);
  if (common.json)
    print_json({{"url", server.url()}});
  else
    print_text(server.url() + "\n");
  common.console().say("Ctrl-C ends it");
  while (pending_signal() == 0) ::poll(nullptr, 0, 100);
  throw Interrupted{pending_signal()};
}

}  // namespace

void add_watch(Program& program) {
  const auto options = std::make_shared<WatchOptions>();
  CLI::App& verb = program.verb("watch", "show a run or a comparison live in a browser on this machine",
                                [options, &program] { watch(*options, program.common()); });
  verb.add_option("directory", options->directory, "what `train` or `compare` was given as -o")->required();
  verb.add_option("--port", options->port, "port of the page; 8008 if it is not given, 0: any that is free");
}

}  // namespace voxgrad::apps
