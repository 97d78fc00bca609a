#include "apps/program/signals.h"

#include <signal.h>
#include <unistd.h>

#include <array>

#include "engine/io/atomic_file.h"

namespace voxgrad::apps {
namespace {

constexpr std::array kSignals{SIGINT, SIGTERM, SIGHUP};

volatile sig_atomic_t pending = 0;
int guards = 0;
std::array<struct sigaction, kSignals.size()> actions_before;

extern "C" void note_signal(int signal) {
  if (pending != 0) {
    remove_temporaries();
    _exit(128 + signal);
  }
  pending = signal;
}

extern "C" void end_by_signal(int signal) {  // SA_RESETHAND has made the usual action the one that follows
  remove_temporaries();
  raise(signal);
}

bool is_ignored(int signal) {
  struct sigaction now;
  return sigaction(signal, nullptr, &now) == 0 && now.sa_handler == SIG_IGN;
}

struct sigaction action_of(void (*handler)(int), int flags) {
  struct sigaction action = {};
  action.sa_handler = handler;
  action.sa_flags = flags;
  sigemptyset(&action.sa_mask);
  return action;
}

}  // namespace

void end_on_signals() {
  const struct sigaction action = action_of(end_by_signal, static_cast<int>(SA_RESETHAND | SA_NODEFER));
  for (const int signal : kSignals)
    if (!is_ignored(signal)) sigaction(signal, &action, nullptr);
}

SignalGuard::SignalGuard() {
  if (guards++ > 0) return;
  pending = 0;
  const struct sigaction action = action_of(note_signal, SA_RESTART);
  for (std::size_t i = 0; i < kSignals.size(); ++i) {
    const bool wanted = kSignals[i] != SIGHUP || !is_ignored(SIGHUP);
    sigaction(kSignals[i], wanted ? &action : nullptr, &actions_before[i]);
  }
}

SignalGuard::~SignalGuard() {
  if (--guards > 0) return;
  for (std::size_t i = 0; i < kSignals.size(); ++i) sigaction(kSignals[i], &actions_before[i], nullptr);
}

int pending_signal() { return pending; }

}  // namespace voxgrad::apps
