// The program behind `./dev learn NUMBER`: it is compiled once per exercise, with the check of that one alone.
#include <cstdio>

#include VOXGRAD_CHECK_HEADER

int main() {
  voxgrad::learn::Report report;
  voxgrad::learn::VOXGRAD_HOLE::check(report);
  bool right = true;
  for (const voxgrad::learn::Part& part : report.parts()) {
    std::printf("  %-28s %s\n", part.name.c_str(), part.problem.empty() ? "right" : part.problem.c_str());
    right = right && part.problem.empty();
  }
  return right ? 0 : 1;
}
