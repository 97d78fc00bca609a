// The live page as HTML. It is drawn here, so that it is the same with and without scripts; the script of the page only
// asks for the parts again, once a second, and replaces those that are different.
#pragma once

#include <map>
#include <string>

#include "apps/live/state.h"

namespace voxgrad::apps {

// What a browser shows: a title, and the HTML of the parts of the body. All pages have the same parts, some of them
// empty, because a page may begin as that of a run that is not there yet.
struct LivePage {
  std::string title;
  std::map<std::string, std::string> parts{{"1_now", ""}, {"2_curves", ""}, {"3_cases", ""}, {"4_words", ""}};
};

LivePage page_of(const LiveRun& run);
LivePage page_of(const LiveComparison& comparison, const std::string& name);
// What is shown where the files cannot be read.
LivePage page_of_failure(const std::string& message);
// The whole document.
std::string html_of(const LivePage& page);

}  // namespace voxgrad::apps
