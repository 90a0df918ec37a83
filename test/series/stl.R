# Trend and seasons of R's stl() over nottem, periodic and robust.
parts <- stl(nottem, s.window = "periodic", robust = TRUE)$time.series
cat(sprintf("%.15g,%.15g,%.15g\n", as.numeric(nottem), parts[, "trend"], parts[, "seasonal"]), sep = "")
