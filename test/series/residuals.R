# Standardized residuals of auto.arima() over the numbers on standard input, a line each.
suppressMessages(library(forecast))
model <- auto.arima(scan(file("stdin"), quiet = TRUE))
cat(sprintf("%.10g\n", residuals(model) / sqrt(model$sigma2)), sep = "")
