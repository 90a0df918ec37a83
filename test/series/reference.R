# What the package forecast expects of public series: reference.R MODEL SERIES…
#
# Prints a line for each value of each series: series, frequency, position, value, and, of the last ones, which were
# held back, what was expected: by ets() or auto.arima().
suppressMessages(library(forecast))
arguments <- commandArgs(trailingOnly = TRUE)
fit <- if (arguments[1] == "ets") ets else auto.arima
for (name in arguments[-1]) {
  x <- tail(get(name), 500)
  held_back <- switch(as.character(frequency(x)), "12" = 18, "4" = 8, 6)
  training <- head(x, length(x) - held_back)
  expected <- forecast(fit(training), h = held_back)$mean
  cat(sprintf("%s,%d,%d,%.15g,\n", name, max(1, round(frequency(x))), seq_along(training), as.numeric(training)), sep = "")
  cat(sprintf("%s,%d,%d,%.15g,%.15g\n", name, max(1, round(frequency(x))), length(training) + seq_len(held_back),
    as.numeric(tail(x, held_back)), as.numeric(expected)), sep = "")
}
