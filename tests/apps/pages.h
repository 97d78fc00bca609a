// What every page of the program has to be: well-formed, alone, and readable by everybody.
#pragma once

#include <string>
#include <vector>

#include "tests/apps/support.h"

namespace voxgrad::test {

// What is wrong with the tags of a page: every one has to be closed, in order. "" if nothing is.
inline std::string disorder(const std::string& html) {
  std::vector<std::string> open;
  for (std::size_t at = html.find('<'); at != std::string::npos; at = html.find('<', at)) {
    const std::size_t end = html.find('>', at);
    if (end == std::string::npos) return "unclosed tag at " + html.substr(at, 60);
    const std::string tag = html.substr(at + 1, end - at - 1);
    at = end;
    if (tag.empty() || tag.find('<') != std::string::npos) return "stray < at " + html.substr(at, 60);
    const std::string name = tag.substr(0, tag.find_first_of(" \n"));
    if (tag.front() == '!' || tag.back() == '/') continue;
    if (tag.front() != '/') {
      open.push_back(name);
    } else {
      if (open.empty() || "/" + open.back() != tag) return tag + " closes " + (open.empty() ? "nothing" : open.back());
      open.pop_back();
    }
  }
  return open.empty() ? "" : "never closed: " + open.back();
}

inline std::size_t count(const std::string& whole, const std::string& part) {
  std::size_t found = 0;
  for (std::size_t at = whole.find(part); at != std::string::npos; at = whole.find(part, at + 1)) ++found;
  return found;
}

// Base64 has slashes and any three letters.
inline std::string without_pictures(std::string html) {
  const std::string start = "base64,";
  for (std::size_t at = 0; (at = html.find(start, at)) != std::string::npos; ++at)
    html.erase(at, html.find('"', at) - at);
  return html;
}

inline void check_page(const std::string& html) {
  CHECK_MESSAGE(disorder(html).empty(), disorder(html));
  const std::string words = without_pictures(html);
  for (const char* foreign : {"http:", "https:", "//", "<script", "<link", "@import", "url(", "onload="})
    CHECK_MESSAGE(!contains(words, foreign), foreign);
  CHECK(html.size() < 5'000'000);
  CHECK(count(html, "<img ") == count(html, "<img alt=\""));
  CHECK(count(html, "alt=\"\"") == 0);
  CHECK(count(html, "<svg ") == count(html, "role=\"img\" aria-label=\""));
  CHECK(count(html, "<table") == count(html, "<caption>"));
  CHECK(count(html, "prefers-color-scheme:dark") == 1);
  CHECK(contains(html, "name=\"viewport\""));
  for (const char* bad : {">nan", ">inf<", "NaN", "\"nan", "\"-nan"}) CHECK_MESSAGE(!contains(words, bad), bad);
}

}  // namespace voxgrad::test
