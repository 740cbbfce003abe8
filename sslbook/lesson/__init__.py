"""What a lesson is made of: exercises, sliders and figures (`sslbook.lesson.viz`)."""
