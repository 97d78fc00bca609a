#include "apps/program/signals.h"

#include <signal.h>
#include <unistd.h>

namespace voxgrad::apps {
namespace {

volatile sig_atomic_t pending = 0;
int guards = 0;
struct sigaction before_int, before_term;

extern "C" void note_signal(int signal) {
  if (pending != 0) _exit(128 + signal);
  pending = signal;
}

}  // namespace

SignalGuard::SignalGuard() {
  if (guards++ > 0) return;
  pending = 0;
  struct sigaction action = {};
  action.sa_handler = note_signal;
  action.sa_flags = SA_RESTART;
  sigemptyset(&action.sa_mask);
  sigaction(SIGINT, &action, &before_int);
  sigaction(SIGTERM, &action, &before_term);
}

SignalGuard::~SignalGuard() {
  if (--guards > 0) return;
  sigaction(SIGINT, &before_int, nullptr);
  sigaction(SIGTERM, &before_term, nullptr);
}

int pending_signal() { return pending; }

}  // namespace voxgrad::apps
