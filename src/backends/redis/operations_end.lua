local answers = {}
while next_argument <= #ARGV do
  answers[#answers + 1] = operations[text()]()
end
finish()
return answers
