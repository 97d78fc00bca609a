#include "apps/report/plots/curves.h"

#include <algorithm>
#include <cmath>

#include "apps/program/console.h"

namespace voxgrad::apps {
namespace {

constexpr double kWidth = 720, kHeight = 320, kLeft = 56, kRight = 56, kTop = 32, kBottom = 40;

double x_of(double epoch, double epochs) {
  return kLeft + (kWidth - kLeft - kRight) * (epochs > 1 ? (epoch - 1) / (epochs - 1) : 0.5);
}
double y_of(double share) { return kHeight - kBottom - (kHeight - kTop - kBottom) * share; }

std::string text_at(double x, double y, const std::string& anchor, const std::string& fill, const std::string& words) {
  return "<text x=\"" + fixed(x, 1) + "\" y=\"" + fixed(y, 1) + "\" text-anchor=\"" + anchor + "\" fill=\"" + fill +
         "\">" + words + "</text>\n";
}

// The finite values of one curve; `value` maps a record to what is drawn, 0 .. 1 of the height.
template <class F>
std::string curve(const std::vector<EpochRecord>& history, const char* colour, F&& value) {
  std::string points, dots;
  const double epochs = static_cast<double>(history.back().epoch);
  for (const EpochRecord& record : history) {
    const double v = value(record);
    if (!std::isfinite(v)) continue;
    const std::string x = fixed(x_of(static_cast<double>(record.epoch), epochs), 1), y = fixed(y_of(v), 1);
    points += x + "," + y + " ";
    dots += "<circle cx=\"" + x + "\" cy=\"" + y + "\" r=\"2\" fill=\"" + colour + "\"/>\n";
  }
  return std::string("<polyline fill=\"none\" stroke-width=\"2\" stroke=\"") + colour + "\" points=\"" + points +
         "\"/>\n" + dots;
}

}  // namespace

std::string curves_svg(const std::vector<EpochRecord>& history) {
  const char* const blue = "#0072b2";  // Okabe and Ito's palette: told apart by everyone
  const char* const orange = "#d55e00";
  const char* const grey = "#888888";
  double low = 0, high = 0;
  bool first = true;
  for (const EpochRecord& record : history) {
    if (!std::isfinite(record.loss)) continue;
    low = first ? std::min(0.0, record.loss) : std::min(low, record.loss);
    high = first ? record.loss : std::max(high, record.loss);
    first = false;
  }
  if (!(high > low)) high = low + 1;
  std::string svg = "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 " + fixed(kWidth, 0) + " " +
                    fixed(kHeight, 0) +
                    "\" font-family=\"sans-serif\" font-size=\"12\" role=\"img\">\n"
                    "<title>training loss and validation Dice over the epochs</title>\n";
  for (int i = 0; i <= 4; ++i) {
    const double share = i / 4.0, y = y_of(share);
    svg += "<line x1=\"" + fixed(kLeft, 1) + "\" x2=\"" + fixed(kWidth - kRight, 1) + "\" y1=\"" + fixed(y, 1) +
           "\" y2=\"" + fixed(y, 1) + "\" stroke=\"" + grey + "\" stroke-opacity=\"0.3\"/>\n";
    svg += text_at(kLeft - 6, y + 4, "end", blue, fixed(low + share * (high - low), 3));
    svg += text_at(kWidth - kRight + 6, y + 4, "start", orange, fixed(share, 2));
  }
  svg += text_at(kLeft, kTop - 14, "start", blue, "training loss");
  svg += text_at(kWidth - kRight, kTop - 14, "end", orange, "validation Dice");
  if (!history.empty()) {
    const std::int64_t epochs = history.back().epoch;
    svg += text_at(kLeft, kHeight - 14, "start", grey, "epoch 1");
    svg += text_at(kWidth - kRight, kHeight - 14, "end", grey, "epoch " + std::to_string(epochs));
    svg += curve(history, blue, [&](const EpochRecord& record) { return (record.loss - low) / (high - low); });
    svg += curve(history, orange, [](const EpochRecord& record) { return record.val_dice; });
  }
  return svg + "</svg>\n";
}

}  // namespace voxgrad::apps
