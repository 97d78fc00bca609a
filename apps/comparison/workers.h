// Several processes that share the runs of a comparison.
#pragma once

#include <functional>

namespace voxgrad::apps {

// Calls body(0) .. body(count - 1), each in a process of its own, and waits for all of them. To be called before this
// process has threads. What a body throws ends its process only: the caller looks at what is there afterwards.
void in_processes(int count, const std::function<void(int)>& body);

}  // namespace voxgrad::apps
